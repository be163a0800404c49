package stream

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// detail is what a crowd comes to by bucket of dispersion.
type detail struct {
	parts [split.Buckets]*crowd
	// success are the shares of requests that come to each outcome, by bucket, at
	// the rates for which they were last asked for.
	success [maxOutcomes]successes
}

// successes are by bucket, of rates by segment.
type successes struct {
	rates     [segments]float64
	good, bad [split.Buckets]float64
}

// detailOf splits a crowd by bucket.
func (w *World) detailOf(c *crowd) *detail {
	if c.detail != nil {
		return c.detail
	}
	d := &detail{}
	var users [split.Buckets][]user
	for i := range c.users {
		u := &c.users[i]
		users[u.bucket] = append(users[u.bucket], *u)
	}
	for i := range d.parts {
		d.parts[i] = &crowd{users: users[i]}
		d.parts[i].sum()
	}
	c.detail = d
	return d
}

// Counts are numbers by bucket of dispersion.
type Counts [split.Buckets]uint64

// Splitter splits totals by bucket, as the units of an arm differ in a minute. It
// draws from a chance of its own, so that whoever does not ask sees the same
// totals.
type Splitter struct {
	m *Minute
	r *rand.Rand
}

// Split returns the splitter of the minute. Only worlds with users have buckets.
func (m *Minute) Split() *Splitter {
	before := Stream{world: m.stream.world, minute: m.Start, strata: []stratum{{weight: m.Weight}}}
	return &Splitter{m: m, r: before.random(2)}
}

// Requests splits a number of an arm's requests, of which some failed.
func (s *Splitter) Requests(arm split.Arm, requests, failed uint64) (n, errors Counts) {
	w, c := s.m.stream.world, s.m.stream.crowd(arm)
	d := w.detailOf(c)
	var bad, good [split.Buckets]float64
	for i, part := range d.parts {
		bad[i] = w.errors(part, &s.m.condition.arms[arm])
		good[i] = max(part.total()-bad[i], 0)
	}
	errors = s.spread(failed, bad[:])
	n = s.spread(requests-failed, good[:])
	for i := range n {
		n[i] += errors[i]
	}
	return n, errors
}

// Above splits a number of an arm's requests that took at least the time of a
// bucket of latency.
func (s *Splitter) Above(arm split.Arm, bucket int32, n uint64) Counts {
	w, c := s.m.stream.world, s.m.stream.crowd(arm)
	d := w.detailOf(c)
	at := max(int(bucket-w.model.lat.first), 0)
	var weights [split.Buckets]float64
	for segment, b := range s.m.condition.arms[arm] {
		for level, act := range c.level[segment] {
			if act == 0 {
				continue
			}
			moved := b.tuning
			moved.shift += int16((level - levels/2) * levelWidth)
			chance := w.model.lat.at(moved).above(at)
			for i, part := range d.parts {
				weights[i] += chance * part.level[segment][level]
			}
		}
	}
	return s.spread(n, weights[:])
}

// above is the share from a place in the tail on.
func (s *shape) above(at int) float64 {
	if s.cumulated == nil {
		s.cumulated = make([]float64, len(s.tail)+1)
		for i, p := range slices.Backward(s.tail) {
			s.cumulated[i] = s.cumulated[i+1] + p
		}
	}
	return s.cumulated[min(at, len(s.tail))]
}

// Reports splits reports and their successes, of the stratum, the arm and the
// outcome of the given ones.
func (s *Splitter) Reports(of *Reports) (n, successes Counts) {
	w, c := s.m.stream.world, s.m.stream.crowdOf(of.Stratum, of.Arm)
	shares := w.detailOf(c).outcome(w, &s.m.condition.arms[of.Arm], of.Outcome)
	successes = s.spread(of.Success, shares.good[:])
	n = s.spread(of.Reported-of.Success, shares.bad[:])
	for i := range n {
		n[i] += successes[i]
	}
	return n, successes
}

// outcome returns the shares of an outcome.
func (d *detail) outcome(w *World, arm *[segments]behaviour, outcome int) *successes {
	known := &d.success[outcome]
	rates := [segments]float64{arm[0].outcomes[outcome].rate, arm[1].outcomes[outcome].rate}
	if known.rates == rates {
		return known
	}
	known.rates = rates
	for i, part := range d.parts {
		known.good[i] = w.successes(part, arm, outcome)
		known.bad[i] = max(part.total()-known.good[i], 0)
	}
	return known
}

// spread spreads a number over places in proportion to weights.
func (s *Splitter) spread(n uint64, weights []float64) (out Counts) {
	if n < 2*split.Buckets {
		if n > 0 {
			urn := newUrn(weights)
			for range n {
				out[urn.draw(s.r)]++
			}
		}
		return out
	}
	var left float64
	for _, w := range weights {
		left += w
	}
	for i, w := range weights {
		if n == 0 {
			break
		}
		k := binomial(s.r, n, min(w/left, 1))
		if i == len(weights)-1 {
			k = n
		}
		out[i] = k
		n -= k
		left -= w
	}
	return out
}

// Arrivals tells which units are met for the first time in a stratum.
type Arrivals struct {
	at   []arrival // by the number of requests until they come, of all units
	next int
}

type arrival struct {
	after  float64
	sample uint8
}

// Arrivals draws when the units of an arm first come in the stratum that begins
// with the minute.
func (m *Minute) Arrivals(arm split.Arm) *Arrivals {
	w := m.stream.world
	r := rand.New(rand.NewPCG(mixed(w.seed, 3+uint64(arm)), mixed(uint64(m.Start), math.Float64bits(m.Weight))))
	users := m.stream.crowd(arm).users
	a := &Arrivals{at: make([]arrival, len(users))}
	for i := range users {
		a.at[i] = arrival{r.ExpFloat64() / users[i].act, users[i].sample}
	}
	slices.SortFunc(a.at, func(x, y arrival) int {
		switch {
		case x.after < y.after:
			return -1
		case x.after > y.after:
			return 1
		}
		return 0
	})
	return a
}

// Add counts those who come within the first requests of the stratum.
func (a *Arrivals) Add(to *evidence.Units, requests float64) {
	for ; a.next < len(a.at) && a.at[a.next].after <= requests; a.next++ {
		to.Add(uint64(1) << min(a.at[a.next].sample, 63))
	}
}

// Passed is how many requests were expected in the stratum up to the end of the
// minute, of both arms.
func (m *Minute) Passed() float64 { return m.stream.strata[m.Stratum].requests }

// Scores spreads an arm's scores, the first of the scenario, over bins with edges
// that are given.
func (s *Splitter) Scores(arm split.Arm, n uint64, edges []float64) []uint64 {
	score := &s.m.stream.world.model.Baseline.Scores[0]
	mean := score.Mean + s.m.condition.arms[arm][1].scores*score.Deviation
	out, left := make([]uint64, len(edges)+1), 1.0
	for i, edge := range edges {
		above := upper((edge - mean) / score.Deviation)
		out[i] = binomial(s.r, n, min(max((left-above)/left, 0), 1))
		n -= out[i]
		if left = above; left <= 0 {
			break
		}
	}
	out[len(edges)] += n
	return out
}

// Score draws one score of an arm.
func (s *Splitter) Score(arm split.Arm) float64 {
	score := &s.m.stream.world.model.Baseline.Scores[0]
	return score.Mean + score.Deviation*(s.r.NormFloat64()+s.m.condition.arms[arm][1].scores)
}

// Gap draws how many requests of the baseline have come since the candidate's
// last, when the candidate has had some in the minute.
func (s *Splitter) Gap() uint64 {
	return uint64(s.r.ExpFloat64() * (1 - s.m.Weight) / s.m.Weight)
}

// Shuffle puts numbers into an order of chance.
func (s *Splitter) Shuffle(v []float64) {
	s.r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
}
