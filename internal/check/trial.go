package check

import (
	"math"

	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/oneshot"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A trial is one gate before its evidence: that of the whole, or of one segment.
type trial struct {
	*sample.Gate
	segment string
	seen    *evidence.Evidence
	counts  gate.Sample
	scope   *sample.Scope
	// paired says that the pairs are judged, and not the arms apart.
	paired bool

	// What becomes of it.
	harm, safe float64 // p-values of "beyond the margin" and "inside"
	// harmAt is the p-value at which the harm is proven, given all other gates of
	// the family, and safeAt the one at which the gate passes.
	harmAt, safeAt float64
	judgement      gate.Judgement // by e-values
	parts          []part
}

// A part is one claim of a gate: about its margin, or about a ceiling.
type part struct {
	test   oneshot.Test
	margin float64
	worse  stats.Dir
}

func newTrial(c *sample.Gate, segment string, seen *evidence.Evidence) *trial {
	t := &trial{Gate: c, segment: segment, seen: seen, scope: c.Scope(segment), harm: 1, safe: 1}
	t.counts = c.Judged.Reduce(c.View(seen))
	if c.Judged.Kind == gate.Quantile && c.Layout.Clustered {
		t.disperse()
	}
	t.paired = t.pairsServe()
	return t
}

// disperse sets the dispersion of a quantile from the hash buckets. The edges are
// known from the start here, so all rows were counted at them.
func (t *trial) disperse() {
	var strata []stats.Buckets
	var k, n [split.Buckets]float64
	for _, s := range t.seen.Strata {
		if s == nil || s.Edges == nil {
			continue
		}
		c, b := s.Sides[split.Candidate].Tails[0].Buckets, s.Sides[split.Baseline].Tails[0].Buckets
		strata = append(strata, stats.Buckets{KT: floats(c.K), NT: floats(c.N), KC: floats(b.K), NC: floats(b.N)})
		for j := range k {
			k[j] += float64(c.K[j])
			n[j] += float64(c.N[j])
		}
	}
	t.counts.Stages = nil
	t.counts.Phi = stats.Dispersion(t.Judged.Quantile, stats.ScorePhi(strata, 0))
	t.counts.CeilingPhi = stats.Dispersion(1, stats.BernoulliPhi(k[:], n[:]))
}

func floats(counts [split.Buckets]uint64) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = float64(n)
	}
	return out
}

// pairedShare is the least part of the smaller arm's rows that must have partners
// for the pairs to stand for all.
const pairedShare = 0.9

// pairsServe reports whether the pairs can be judged in place of the arms: there
// is a test for them, and nearly all rows have partners. Rows of one user resemble
// each other even as pairs, which only the dispersion between units tells, so
// with units the arms are compared; it knows that a unit is in both.
func (t *trial) pairsServe() bool {
	g := &t.Judged
	total := total(&t.counts)
	if g.Method == gate.None || t.Layout.Clustered || t.scope.Pairs.N < pairedShare*min(total.NT, total.NC) || t.scope.Pairs.N == 0 {
		return false
	}
	return g.Kind == gate.Rate && g.Method == gate.Difference && !g.PerExposure || g.Kind == gate.Mean && !g.PerExposure
}

// total adds the strata of a sample up.
func total(s *gate.Sample) (sum stats.Stratum) {
	for _, slice := range s.Strata {
		sum.NT += slice.Counts.NT
		sum.KT += slice.Counts.KT
		sum.NC += slice.Counts.NC
		sum.KC += slice.Counts.KC
	}
	return sum
}

// rows is how many rows of each arm are judged.
func (t *trial) rows() (n [split.Arms]float64) {
	if t.paired {
		n[split.Baseline], n[split.Candidate] = t.scope.Pairs.N, t.scope.Pairs.N
		return n
	}
	sum := total(&t.counts)
	n[split.Baseline], n[split.Candidate] = sum.NC, sum.NT
	return n
}

// look works out the p-values of one look.
func (t *trial) look() {
	t.parts = []part{}
	if t.Judged.Method != gate.None {
		t.parts = append(t.parts, t.margin())
	}
	t.parts = append(t.parts, t.ceilings()...)
	t.harm, t.safe = 1, 1
	for i, p := range t.parts {
		// A gate with several claims fails by any of them, so they share its alpha.
		t.harm = min(t.harm, float64(len(t.parts))*sure(p.test.P(p.margin, p.worse)))
		inside := sure(p.test.P(p.margin, -p.worse))
		if i == 0 {
			t.safe = inside
		} else if t.Judged.Method == gate.None {
			t.safe = max(t.safe, inside)
		}
	}
}

// sure returns a p-value, 1 in place of what is none.
func sure(p float64) float64 {
	if !(p >= 0 && p <= 1) {
		return 1
	}
	return p
}

// margin is the claim about the margin.
func (t *trial) margin() part {
	g := &t.Judged
	counts := stats.Counts{Phi: max(t.counts.Phi, t.counts.PassPhi)}
	for _, slice := range t.counts.Strata {
		counts.Strata = append(counts.Strata, slice.Counts)
	}
	logMargin := math.Log1p(g.Margin)
	switch {
	case g.Kind == gate.Quantile:
		return part{t.quantile(), logMargin, g.Worse}
	case g.Kind == gate.Mean && t.paired:
		return part{oneshot.PairedMeans(t.scope.Pairs.Values), logMargin, g.Worse}
	case g.Kind == gate.Mean:
		return part{t.means(), logMargin, g.Worse}
	case g.Kind == gate.Drift:
		return part{newApart(&t.counts), g.Margin, stats.Up}
	case g.Method == gate.Difference && t.paired:
		return t.pairedRates()
	case g.Method == gate.Difference:
		return part{oneshot.Differences{Counts: counts, M: g.Slope}, g.Margin, stats.Up}
	case g.Method == gate.Ignore:
		return part{oneshot.Ignoring{Rates: oneshot.Rates(counts), Level: g.Level}, logMargin, stats.Up}
	}
	return part{oneshot.Rates(counts), logMargin, g.Worse}
}

// pairedRates is the claim about the rates of bad events over the same rows.
func (t *trial) pairedRates() part {
	p, g := t.scope.Pairs, &t.Judged
	test := oneshot.PairedRates{N: p.N, OnlyT: p.OnlyT, OnlyC: p.OnlyC}
	bad := p.Both + p.OnlyC
	if g.Complement {
		test.OnlyT, test.OnlyC, bad = p.OnlyC, p.OnlyT, p.N-bad
	}
	if g.Slope == 1 {
		return part{test, g.Margin, stats.Up}
	}
	return part{test, test.Allowed(g.Slope, bad), stats.Up}
}

// means is the test of means that are not paired.
func (t *trial) means() oneshot.Test {
	var m oneshot.Means
	for _, slice := range t.counts.Strata {
		if slice.Means != nil {
			m.Strata = append(m.Strata, *slice.Means)
		}
	}
	m.Phi = t.meansPhi()
	return m
}

// meansPhi is by how much the variance grows because units are seen in several
// strata.
func (t *trial) meansPhi() float64 {
	if !t.Layout.Clustered || len(t.counts.Strata) < 2 {
		return 1
	}
	var strata []stats.RatioBuckets
	for _, s := range t.seen.Strata {
		if s == nil {
			continue
		}
		c, b := s.Sides[split.Candidate].Values[t.Judged.Series].Sums, s.Sides[split.Baseline].Values[t.Judged.Series].Sums
		strata = append(strata, stats.RatioBuckets{TY: c.Y[:], TN: c.N[:], CY: b.Y[:], CN: b.N[:]})
	}
	return stats.RatioPhi(strata, math.Log1p(t.Judged.Margin))
}

// quantile is the test of a quantile: exact where the durations are at hand and
// nothing divides them, else by counts at the edges of the sketch.
func (t *trial) quantile() oneshot.Test {
	if t.exact() {
		return oneshot.NewQuantiles(t.scope.Times[split.Candidate], t.scope.Times[split.Baseline], t.Judged.Quantile)
	}
	return newExceedance(t)
}

// exact reports whether the durations of a quantile themselves are judged.
func (t *trial) exact() bool {
	return t.Judged.Kind == gate.Quantile && t.parts != nil && !t.scope.Many && !t.Layout.Clustered && len(t.counts.Strata) == 1
}

// ceilings are the claims about absolute limits.
func (t *trial) ceilings() []part {
	var parts []part
	for i, c := range t.Judged.Ceilings {
		if t.Judged.Kind == gate.Mean {
			worse := stats.Up
			if c.Complement {
				worse = stats.Down
			}
			parts = append(parts, part{oneshot.Shift(t.candidate()), c.Limit, worse})
			continue
		}
		k := 0.0
		for _, slice := range t.counts.Strata {
			k += slice.Over[i]
		}
		parts = append(parts, part{oneshot.Ceiling{K: k, N: total(&t.counts).NT, Phi: t.ceilingPhi()}, c.Limit, stats.Up})
	}
	return parts
}

func (t *trial) ceilingPhi() float64 {
	for _, d := range t.counts.Stages {
		return d.CeilingPhi
	}
	return t.counts.CeilingPhi
}

// candidate is the candidate's mean with its variance.
func (t *trial) candidate() stats.Moments {
	var sum, n, variance float64
	for _, slice := range t.counts.Strata {
		if m := slice.Means; m != nil {
			n += m.T.N
			sum += m.T.N * m.T.Mean
			variance += m.T.N * m.T.Var
		}
	}
	if n < 2 {
		return stats.Moments{}
	}
	return stats.Moments{N: n, Mean: sum / n, M2: variance / n * (n - 1)}
}

// always works out the p-values that hold at every look, from the e-values of a
// rollout. A gate has its share of the family's alpha.
func (t *trial) always(alpha, share float64) {
	t.Judged.Share = share
	t.paired = false
	t.judgement = t.Judged.Judge(t.counts, gate.Place{Stages: 1, Alpha: alpha}, nil)
	t.harm, t.safe = math.Exp(-t.judgement.LogFail), math.Exp(-t.judgement.LogPass)
	t.harm, t.safe = min(1, t.harm), min(1, t.safe)
}
