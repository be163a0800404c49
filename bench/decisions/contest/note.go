package contest

import (
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// note adds a minute to the evidence, as the data plane and the ledger would.
// What has to be split by bucket waits for the next look.
func (b *belay) note(m *stream.Minute) {
	l := &b.plan.Layout
	s := b.ev.Stratum(l, m.Stratum)
	by := m.Split()
	for arm := range split.Arms {
		b.requests(m, s, arm)
		if b.series.score >= 0 {
			b.scores(m, s, arm, by)
		}
	}
	for i := range m.Reports {
		if r := &m.Reports[i]; l.Clustered {
			b.pending.add(r)
		} else {
			b.reports(r, by)
		}
	}
	if m.Arms[split.Candidate].Requests > 0 {
		b.since = by.Gap()
	} else {
		b.since += m.Arms[split.Baseline].Requests
	}
}

// requests adds the requests of an arm.
func (b *belay) requests(m *stream.Minute, s *evidence.Stratum, arm split.Arm) {
	served, side, l := &m.Arms[arm], &s.Sides[arm], &b.plan.Layout
	side.Requests += served.Requests
	failures, refusals := &side.Rates[0], &side.Rates[1]
	failures.N += served.Requests
	failures.K += served.Errors
	refusals.N += served.Requests
	warm := !at(m.Start).Before(b.state.Stratum().Warm)
	var h *evidence.Histogram
	if warm {
		h = latencies(served)
		side.Latency[0].Merge(h)
	}
	if !l.Clustered {
		return
	}
	w := &b.pending.requests[arm]
	w.requests += served.Requests
	w.errors += served.Errors
	if warm && s.Edges != nil {
		w.followed += served.Requests
		w.above += h.Above(b.edge(s, arm))
	}
	if b.units[arm] == nil {
		b.units[arm] = m.Arrivals(arm)
	}
	b.units[arm].Add(&side.Units, m.Passed())
}

// edge is where the latencies of an arm are followed by bucket. The policies have
// one quantile.
func (b *belay) edge(s *evidence.Stratum, arm split.Arm) int32 {
	if arm == split.Candidate {
		return s.Edges[0] + b.plan.Layout.Tails[0].Steps
	}
	return s.Edges[0]
}

// latencies are the latencies of an arm as a sketch. What lies below the median
// counts as one bucket: no gate looks there.
func latencies(served *stream.Served) *evidence.Histogram {
	h := &evidence.Histogram{Lo: served.First - 1, N: make([]uint64, len(served.Tail)+1)}
	h.N[0] = served.Body
	copy(h.N[1:], served.Tail)
	return h
}

// pending is what has not been split by bucket yet.
type pending struct {
	requests [split.Arms]waiting
	reports  []stream.Reports
}

// waiting are requests, and those of them whose latencies are followed.
type waiting struct{ requests, errors, followed, above uint64 }

func (p *pending) add(r *stream.Reports) {
	for i := range p.reports {
		if have := &p.reports[i]; have.Stratum == r.Stratum && have.Arm == r.Arm && have.Outcome == r.Outcome {
			have.Reported += r.Reported
			have.Success += r.Success
			have.Worths = append(have.Worths, r.Worths...)
			return
		}
	}
	p.reports = append(p.reports, *r)
}

// flush splits what is pending, as the units differ in the given minute.
func (b *belay) flush(m *stream.Minute) {
	if !b.plan.Layout.Clustered {
		return
	}
	by, s := m.Split(), b.ev.Strata[m.Stratum]
	for arm := range split.Arms {
		w, side := &b.pending.requests[arm], &s.Sides[arm]
		n, errors := by.Requests(arm, w.requests, w.errors)
		addCounts(side.Rates[0].Buckets, &n, &errors)
		addCounts(side.Rates[1].Buckets, &n, &stream.Counts{})
		if w.followed > 0 {
			tail := &side.Tails[0]
			above := by.Above(arm, b.edge(s, arm), w.above)
			tail.N += w.followed
			tail.K += w.above
			addCounts(tail.Buckets, &n, &above) // All minutes since the last look were alike.
		}
	}
	for i := range b.pending.reports {
		b.reports(&b.pending.reports[i], by)
	}
	b.pending.requests, b.pending.reports = [split.Arms]waiting{}, b.pending.reports[:0]
}

func addCounts(to *evidence.Buckets, n, k *stream.Counts) {
	for i := range n {
		to.N[i] += n[i]
		to.K[i] += k[i]
	}
}

// reports adds outcomes.
func (b *belay) reports(r *stream.Reports, by *stream.Splitter) {
	s := b.ev.Stratum(&b.plan.Layout, r.Stratum)
	if at := b.series.rates[r.Outcome]; at >= 0 {
		tally := &s.Sides[r.Arm].Rates[at]
		tally.N += r.Reported
		tally.K += r.Success
		if tally.Buckets != nil {
			n, k := by.Reports(r)
			addCounts(tally.Buckets, &n, &k)
		}
	}
	if at := b.series.values[r.Outcome]; at >= 0 {
		b.worths(s, at, r, by)
	}
}

// worths adds what outcomes are worth; those without success are worth nothing.
func (b *belay) worths(s *evidence.Stratum, at int, r *stream.Reports, by *stream.Splitter) {
	v := &s.Sides[r.Arm].Values[at]
	v.Moments.Merge(stats.Moments{N: float64(r.Reported - r.Success)})
	limit := 0.0
	if s.Scales != nil {
		limit = s.Scales[at].Cap
	}
	switch {
	case v.Sums != nil:
		b.spread(s, at, r, by)
	case limit == 0:
		for _, w := range r.Worths {
			for range w.Count {
				s.ObserveValue(&b.plan.Layout, evidence.Raw{Series: at, Arm: r.Arm, Value: w.Value})
			}
		}
	default:
		for _, w := range r.Worths {
			v.NonZero += w.Count
			if w.Value > limit {
				v.Capped += w.Count
			}
			v.Moments.Merge(stats.Moments{N: float64(w.Count), Mean: min(w.Value, limit)})
		}
	}
}

// spread adds worths to the buckets of their units.
func (b *belay) spread(s *evidence.Stratum, at int, r *stream.Reports, by *stream.Splitter) {
	v := &s.Sides[r.Arm].Values[at]
	all := make([]float64, 0, r.Success)
	for _, w := range r.Worths {
		for range w.Count {
			all = append(all, w.Value)
		}
	}
	by.Shuffle(all)
	n, k := by.Reports(r)
	for i := range n {
		v.Sums.N[i] += float64(n[i] - k[i])
		for _, value := range all[:k[i]] {
			s.ObserveValue(&b.plan.Layout, evidence.Raw{Series: at, Arm: r.Arm, Bucket: uint8(i), Value: value})
		}
		all = all[k[i]:]
	}
}

// enoughScores is how many scores of an arm are noted one by one in a minute
// until the bins are known.
const enoughScores = 1200

// scores adds the scores of an arm's answers.
func (b *belay) scores(m *stream.Minute, s *evidence.Stratum, arm split.Arm, by *stream.Splitter) {
	n := m.Arms[arm].Requests
	if s.Scales == nil || s.Scales[b.series.score].Cap == 0 {
		for range min(n, enoughScores) {
			s.ObserveValue(&b.plan.Layout, evidence.Raw{Series: b.series.score, Arm: arm, Value: by.Score(arm)})
		}
		b.ev.Learn(&b.plan.Layout)
		return
	}
	v := &s.Sides[arm].Values[b.series.score]
	bins := by.Scores(arm, n, s.Scales[b.series.score].Edges)
	if v.Bins == nil {
		v.Bins = make([]uint64, len(bins))
	}
	for i, k := range bins {
		v.Bins[i] += k
	}
	v.NonZero += n
	v.Moments.Merge(stats.Moments{N: float64(n), Mean: by.Score(arm), M2: float64(n)}) // A drift reads their number alone.
}
