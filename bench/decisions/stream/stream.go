package stream

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Stream is the traffic of one rollout: minute after minute at the weights that
// somebody chooses. Use World.NewStream.
type Stream struct {
	world    *World
	minute   int
	requests float64 // that were expected so far, of both arms
	strata   []stratum
	out      Minute
}

// stratum is a period of constant weight and what is still to be reported of it.
type stratum struct {
	weight   float64
	requests float64
	// due are the reports that are expected, by arm and outcome: failures and
	// successes.
	due [split.Arms][maxOutcomes][2]float64
}

// NewStream starts a rollout.
func (w *World) NewStream() *Stream { return &Stream{world: w} }

// Fork returns a stream that has seen the same and goes another way from here.
func (s *Stream) Fork() *Stream {
	return &Stream{world: s.world, minute: s.minute, requests: s.requests, strata: slices.Clone(s.strata)}
}

// Minute is what happened in a minute. It is good until the next.
type Minute struct {
	Start   int // in minutes since the first traffic
	Weight  float64
	Stratum int // the period of constant weight that it belongs to
	Arms    [split.Arms]Served
	Reports []Reports
	// Harm is how many requests are expected to have gone worse at the candidate
	// than they would have at the baseline.
	Harm Harm

	stream    *Stream
	condition condition
}

// Served is what one arm answered. Latencies are counted by bucket of the sketch:
// Body below First, then Tail from First on.
type Served struct {
	Requests uint64
	Errors   uint64
	Slow     uint64 // above the baseline's usual 99th percentile
	Body     uint64
	First    int32
	Tail     []uint64
}

// Reports are those outcomes of one stratum and arm that came in.
type Reports struct {
	Stratum  int
	Arm      split.Arm
	Outcome  int
	Reported uint64
	Success  uint64
	// Worths are what the successes are worth, for outcomes that have a worth.
	Worths []Worth
}

// Worth is a number of successes that are worth the same.
type Worth struct {
	Value float64
	Count uint64
}

// Next draws the next minute with a candidate of some weight. Weights never fall.
func (s *Stream) Next(weight float64) *Minute {
	if n := len(s.strata); n == 0 || s.strata[n-1].weight != weight {
		s.strata = append(s.strata, stratum{weight: weight})
	}
	m := &s.out
	m.Start, m.Weight, m.Stratum, m.stream = s.minute, weight, len(s.strata)-1, s
	m.condition = s.world.condition(s.minute, weight)
	r := s.random(0)
	for arm := range m.Arms {
		s.serve(&m.Arms[arm], s.crowd(split.Arm(arm)), &m.condition, split.Arm(arm), r)
	}
	s.report(m, r)
	m.Harm = s.world.harm(&m.condition, s.crowd(split.Candidate))
	s.requests += m.condition.rate
	s.strata[m.Stratum].requests += m.condition.rate
	s.minute++
	return m
}

// random is chance in the current minute. It depends on the weight, not on how it
// came to be.
func (s *Stream) random(purpose uint64) *rand.Rand {
	weight := s.strata[len(s.strata)-1].weight
	return rand.New(rand.NewPCG(mixed(s.world.seed, purpose), mixed(uint64(s.minute), math.Float64bits(weight))))
}

// crowd is the units of an arm now.
func (s *Stream) crowd(arm split.Arm) *crowd { return s.crowdOf(len(s.strata)-1, arm) }

// crowdOf is the units of an arm in a stratum.
func (s *Stream) crowdOf(stratum int, arm split.Arm) *crowd {
	weight := s.strata[stratum].weight
	if arm == split.Candidate {
		return s.world.crowd(span{0, weight})
	}
	return s.world.crowd(span{weight, 1})
}

// Slice draws what a part of the baseline's units did that is as large as the
// candidate: apart from what Next drew for all of the baseline. Its outcomes are
// reported at once.
func (m *Minute) Slice() (Served, []Reports) {
	s := m.stream
	c := s.world.crowd(span{m.Weight, min(2*m.Weight, 1)})
	weightless := Stream{world: s.world, minute: m.Start, strata: []stratum{{weight: m.Weight}}}
	r := weightless.random(1)
	var out Served
	s.serve(&out, c, &m.condition, split.Baseline, r)
	var reports []Reports
	for i, o := range s.world.model.Baseline.Outcomes {
		flow := m.condition.rate * o.Reported
		success := flow * s.world.successes(c, &m.condition.arms[split.Baseline], i)
		reports = append(reports, s.draw(Reports{Arm: split.Baseline, Outcome: i}, flow*c.total()-success, success, &m.condition, r))
	}
	return out, reports
}

// serve draws what a crowd's requests come to.
func (s *Stream) serve(out *Served, c *crowd, at *condition, arm split.Arm, r *rand.Rand) {
	w := s.world
	mean := at.rate * c.total()
	if cap(out.Tail) == 0 {
		out.Tail = make([]uint64, w.model.lat.width)
	}
	out.First = w.model.lat.first
	clear(out.Tail)
	out.Requests, out.Errors, out.Slow, out.Body = 0, 0, 0, 0
	if !(mean > 0) {
		return
	}
	shape := w.latency(c, &at.arms[arm])
	out.Body = poisson(r, mean*shape.body)
	out.Requests = out.Body + shape.draw(out.Tail, mean, r)
	for _, n := range out.Tail[w.model.lat.usual:] {
		out.Slow += n
	}
	out.Errors = binomial(r, out.Requests, w.errors(c, &at.arms[arm])/c.total())
}

// draw draws the tail of a number of requests of some mean, and returns how many
// they are.
func (s *shape) draw(tail []uint64, mean float64, r *rand.Rand) (n uint64) {
	expected := mean * (1 - s.body)
	if expected < 2*float64(len(tail)) {
		if s.urn.keep == nil {
			s.urn = newUrn(s.tail)
		}
		n = poisson(r, expected)
		for range n {
			tail[s.urn.draw(r)]++
		}
		return n
	}
	for i, p := range s.tail {
		if mean*s.above(i) < few {
			return n + s.drawFrom(i, tail, mean, r)
		}
		k := poisson(r, mean*p)
		tail[i] = k
		n += k
	}
	return n
}

// few is how many latencies beyond a place are drawn one by one.
const few = 4

// drawFrom draws the tail from a place on.
func (s *shape) drawFrom(from int, tail []uint64, mean float64, r *rand.Rand) uint64 {
	beyond := s.above(from)
	n := poisson(r, mean*beyond)
	for range n {
		u := (1 - r.Float64()) * beyond // The share that lies further out.
		at := from
		for at+1 < len(tail) && s.cumulated[at+1] >= u {
			at++
		}
		tail[at]++
	}
	return n
}

// least is how many reports must still be expected for a stratum to be asked.
const least = 1e-4

// report draws the outcomes that came in.
func (s *Stream) report(m *Minute, r *rand.Rand) {
	m.Reports = m.Reports[:0]
	outcomes := s.world.model.Baseline.Outcomes
	for at := range s.strata {
		for arm := range split.Arms {
			for i := range outcomes {
				due := &s.strata[at].due[arm][i]
				var fresh [2]float64
				if at == m.Stratum {
					fresh = s.fresh(m, arm, i)
				} else if due[0]+due[1] < least {
					continue
				}
				delay := float64(outcomes[i].Delay) / float64(time.Minute) * m.condition.arms[arm][0].outcomes[i].delay
				failures, successes := flow(&due[0], fresh[0], delay), flow(&due[1], fresh[1], delay)
				m.Reports = append(m.Reports, s.draw(Reports{Stratum: at, Arm: arm, Outcome: i}, failures, successes, &m.condition, r))
			}
		}
	}
}

// fresh is how many failures and successes the requests of this minute will be
// reported to have come to.
func (s *Stream) fresh(m *Minute, arm split.Arm, outcome int) [2]float64 {
	c := s.crowd(arm)
	all := m.condition.rate * s.world.model.Baseline.Outcomes[outcome].Reported
	success := all * s.world.successes(c, &m.condition.arms[arm], outcome)
	return [2]float64{all*c.total() - success, success}
}

// flow is how many reports come in within a minute, of those that are due and of
// fresh ones that are spread over it, when their delay is exponential with a mean
// in minutes.
func flow(due *float64, fresh, delay float64) float64 {
	if delay == 0 {
		return fresh
	}
	gone := -math.Expm1(-1 / delay)
	in := *due*gone + fresh*(1-delay*gone)
	*due += fresh - in
	return in
}

// draw draws reports of some means.
func (s *Stream) draw(out Reports, failures, successes float64, at *condition, r *rand.Rand) Reports {
	worths := s.world.model.worths[out.Outcome]
	if worths == nil {
		out.Success = poisson(r, successes)
		out.Reported = out.Success + poisson(r, failures)
		return out
	}
	factor := at.arms[out.Arm][1].outcomes[out.Outcome].worth
	if successes < worthValues {
		out.Success = poisson(r, successes)
		for range out.Success {
			out.Worths = append(out.Worths, Worth{factor * worths[r.IntN(worthValues)], 1})
		}
	} else {
		for _, value := range worths {
			if n := poisson(r, successes/worthValues); n > 0 {
				out.Worths = append(out.Worths, Worth{factor * value, n})
				out.Success += n
			}
		}
	}
	out.Reported = out.Success + poisson(r, failures)
	return out
}

// P99 is the 99th percentile of an arm's latencies in seconds, 0 without requests.
func (m *Minute) P99(arm split.Arm) float64 {
	s := &m.Arms[arm]
	if s.Requests == 0 {
		return 0
	}
	above := 0.01 * float64(s.Requests) // So many lie above it.
	l := m.stream.world.model.lat
	for i, n := range slices.Backward(s.Tail) {
		if n == 0 {
			continue
		}
		if float64(n) >= above {
			return math.Exp(l.edge(i)+float64(l.base)*(1-above/float64(n))) / 1e9
		}
		above -= float64(n)
	}
	return math.Exp(l.edge(0)) / 1e9
}
