package gate

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// script hands out the numbers of a fuzzer's input, and zeros after its end.
type script struct{ data []byte }

func (s *script) bits() uint64 {
	var word [8]byte
	s.data = s.data[copy(word[:], s.data):]
	return binary.LittleEndian.Uint64(word[:])
}

func (s *script) number() float64 { return math.Float64frombits(s.bits()) }

// length is a small number of things.
func (s *script) length(most uint64) int { return int(s.bits() % (most + 1)) } //nolint:gosec // It is small.

// evidence is what the numbers make of the layout, whatever they are.
func (s *script) evidence(l *evidence.Layout) *evidence.Evidence {
	e := &evidence.Evidence{}
	for stratum := range 2 {
		is := e.Stratum(l, stratum)
		for arm := range is.Sides {
			side := &is.Sides[arm]
			side.Requests = s.bits()
			for i := range side.Rates {
				side.Rates[i].N, side.Rates[i].K = s.bits(), s.bits()
			}
			for i := range side.Values {
				v := &side.Values[i]
				v.Moments, v.NonZero = stats.Moments{N: s.number(), Mean: s.number(), M2: s.number()}, s.bits()
			}
			side.Latency[0].Add(int32(s.bits()%2000)+1000, s.bits())
		}
		g := &is.Gauges[0]
		for _, b := range []*stats.Batches{&g.Ratio, &g.Candidate, &g.Baseline} {
			*b = stats.Batches{
				Size: int(s.bits()), Full: []float64{s.number(), s.number()}, Open: s.number(), OpenN: int(s.bits()), Count: int(s.bits()),
				First: s.number(), Last: s.number(), Sum: s.number(), Sum2: s.number(), Lag: s.number(),
			}
		}
		for arm := range is.Sides {
			s.crowd(&is.Sides[arm])
		}
		s.measure(is)
	}
	return e
}

// spoil changes some of what is known of a world, so that one number cannot be and
// all others can.
func (s *script) spoil(e *evidence.Evidence) {
	for range 1 + s.length(3) {
		is := e.Strata[s.length(uint64(len(e.Strata)-1))]
		side := &is.Sides[s.length(1)]
		switch s.length(5) {
		case 0:
			s.crowd(side)
		case 1:
			s.measure(is)
		case 2:
			all, _ := numbersOf(&Gate{Kind: Mean, Series: s.length(2)}, is, split.Arm(s.length(1)))
			*all[s.length(uint64(len(all)-1))] = s.number()
		case 3:
			all, _ := numbersOf(&Gate{Kind: Gauge}, is, split.Baseline)
			*all[s.length(uint64(len(all)-1))] = s.number()
		case 4:
			b := &is.Gauges[0].Ratio
			b.Size, b.OpenN, b.Count = int(s.bits()), int(s.bits()), int(s.bits())
		case 5:
			side.Values[s.length(2)].NonZero = s.bits()
		}
	}
}

// crowd spoils what is counted by unit, by bin and by bucket of a sketch: arrays
// of any length, with any number at some places.
func (s *script) crowd(side *evidence.Side) {
	for i := range side.Rates {
		if b := side.Rates[i].Buckets; b != nil {
			b.N[s.bits()%split.Buckets], b.K[s.bits()%split.Buckets] = s.bits(), s.bits()
		}
	}
	for i := range side.Tails {
		b := side.Tails[i].Buckets
		b.N[s.bits()%split.Buckets], b.K[s.bits()%split.Buckets] = s.bits(), s.bits()
	}
	for i := range side.Values {
		v := &side.Values[i]
		if v.Sums != nil {
			v.Sums.N[s.bits()%split.Buckets], v.Sums.Y[s.bits()%split.Buckets] = s.number(), s.number()
			if v.Sums.X != nil {
				v.Sums.X[s.bits()%split.Buckets] = s.number()
			}
		}
		if c := v.Covariate; c != nil {
			*c = stats.Covariate{N: c.N, X: s.number(), Y: s.number(), XX: s.number(), XY: s.number(), YY: s.number()}
		}
	}
	score := &side.Values[1]
	score.Bins = make([]uint64, s.length(25))
	for i := range score.Bins {
		score.Bins[i] = s.bits()
	}
	score.Spread = nil
	if n := s.length(2); n > 0 {
		score.Spread = make([]uint64, split.Buckets*len(score.Bins)+n-1)
		for range min(4, len(score.Spread)) {
			score.Spread[s.bits()%uint64(len(score.Spread))] = s.bits()
		}
	}
	for i := range side.Outputs {
		side.Outputs[i].Answers, side.Outputs[i].Values = s.bits(), s.bits()
	}
	h := &side.Latency[0]
	h.Lo = int32(s.bits()) //nolint:gosec // Whatever it is.
	for range s.length(8) {
		h.N = append(h.N, s.bits())
	}
}

// measure gives a stratum other edges and scales than those that it was counted by.
func (s *script) measure(is *evidence.Stratum) {
	is.Edges = nil
	for range s.length(2) {
		is.Edges = append(is.Edges, int32(s.bits())) //nolint:gosec // Whatever it is.
	}
	is.Scales = nil
	for range s.length(4) {
		scale := evidence.Scale{Cap: s.number()}
		for range s.length(3) {
			scale.Edges = append(scale.Edges, s.number())
		}
		is.Scales = append(is.Scales, scale)
	}
}

// words writes the numbers that a seed begins with.
func words(numbers ...uint64) []byte {
	var out []byte
	for _, n := range numbers {
		out = binary.LittleEndian.AppendUint64(out, n)
	}
	return out
}

// judged are worlds in which every gate has a verdict, to be spoiled.
var judged = sync.OnceValue(func() (out [2]*world) {
	for i := range out {
		out[i] = settled(i == 1, 0.8)
	}
	return out
})

// FuzzJudge judges whatever numbers there are: it never panics, never makes a
// verdict of an empty arm or of numbers that cannot be, and says numbers only.
func FuzzJudge(f *testing.F) {
	nan, inf := math.Float64bits(math.NaN()), math.Float64bits(math.Inf(1))
	f.Add([]byte{}, false, false)
	f.Add([]byte{}, true, true)
	f.Add(words(1000, 1000, 10, 1000, 0, 500, 400), true, false)
	f.Add(words(1e12, 1e12, 1, 1e12, 999999999999, math.MaxUint64, math.MaxUint64, math.Float64bits(1e12), nan), false, false)
	f.Add(words(5, 3, 7, 1, 2, 0, 0, inf, math.Float64bits(-1), math.Float64bits(-1e308)), false, false)
	f.Add(words(0, 0, 1, 2, 0, 1, 2, nan), false, true)
	f.Add(words(0, 0, 0, 2, 0, 1, 300, nan), true, true)
	f.Add(words(1, 0, 0, 3, 9, inf, 0, 1, 3, 70, nan), false, true)
	f.Add(words(2, 0, 1, 4, math.MaxUint64, 5, 1<<40), false, true)
	f.Add(slices.Concat(words(0, 0, 1, 0), bytes.Repeat(words(21), 40)), true, true)
	f.Add(slices.Concat(words(0, 0, 0, 0), bytes.Repeat(words(3), 200)), true, true)
	f.Fuzz(judgesAnything)
}

// Hundreds of worlds with some numbers that cannot be, the same at every run: what
// a fuzzer finds in an hour is found here first.
func TestSpoiledWorldsAreJudgedWell(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 9))
	for i := range 200 {
		judgesAnything(t, anyWords(r, 60), i%2 == 0, i%4 < 3)
		if t.Failed() {
			t.Fatalf("in world %d", i)
		}
	}
}

// anyWords are numbers of which many are small, and some are none.
func anyWords(r *rand.Rand, n int) []byte {
	numbers := make([]uint64, n)
	for i := range numbers {
		switch r.IntN(6) {
		case 0:
			numbers[i] = math.Float64bits([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 1e308}[r.IntN(5)])
		case 1:
			numbers[i] = r.Uint64()
		default:
			numbers[i] = r.Uint64N(30)
		}
	}
	return words(numbers...)
}

// judgesAnything judges what data makes of an empty world, or of a settled one.
func judgesAnything(t *testing.T, data []byte, clustered, settled bool) {
	t.Helper()
	w := newWide(clustered)
	v := View{Layout: &w.layout, Stages: []int{0, 2}}
	if s := (&script{data}); settled {
		of := judged()[0]
		if clustered {
			of = judged()[1]
		}
		v.Evidence, v.Stages = of.ev.Clone(&of.layout), of.stages
		s.spoil(v.Evidence)
	} else {
		v.Evidence = s.evidence(&w.layout)
	}
	for _, g := range everyGate() {
		place := at(2, 3)
		j := g.Judge(g.Reduce(v), place, nil)
		judgedWell(t, &g, &j)
		if restsOnNothing(&g, &j, v.Evidence) {
			t.Errorf("%s: %s (%s) of numbers that cannot be", g.Name, j.Verdict, j.Reason)
		}
		g.Bound(v, &j, place)
		wide := g.Widened(3, &w.layout)
		if x := wide.LogWithin(v, place); math.IsNaN(x) {
			t.Errorf("%s: within three times its margin: %v", g.Name, x)
		}
	}
}

// restsOnNothing reports whether there is a verdict though in every stratum a number
// that it rests on cannot be. A ceiling is broken by the candidate alone, whatever
// the baseline has.
func restsOnNothing(g *Gate, j *Judgement, ev *evidence.Evidence) bool {
	arms := []split.Arm{split.Candidate, split.Baseline}
	switch {
	case j.Verdict == Fail && j.Reason == CeilingBroken:
		arms = arms[:1]
	case j.Verdict != Pass && j.Verdict != Fail:
		return false
	}
	return !slices.ContainsFunc(ev.Strata, func(s *evidence.Stratum) bool {
		return !slices.ContainsFunc(arms, func(arm split.Arm) bool { return impossible(g, s, arm) })
	})
}

func judgedWell(t *testing.T, g *Gate, j *Judgement) {
	t.Helper()
	if math.IsNaN(j.LogFail) || math.IsInf(j.LogFail, 0) || math.IsNaN(j.LogPass) || math.IsInf(j.LogPass, 0) {
		t.Errorf("%s: e-values %v and %v", g.Name, j.LogFail, j.LogPass)
	}
	if (j.Total.NT == 0 || j.Total.NC == 0 && g.Method != None && len(g.Ceilings) == 0) && (j.Verdict == Pass || j.Verdict == Fail) {
		t.Errorf("%s: %s with %v candidate and %v baseline samples", g.Name, j.Verdict, j.Total.NT, j.Total.NC)
	}
	if _, err := json.Marshal(j); err != nil {
		t.Errorf("%s: %v", g.Name, err)
	}
}

// One number that cannot be, anywhere in what a verdict rests on, takes the verdict
// away.
func TestANumberThatCannotBeTakesTheVerdictAway(t *testing.T) {
	t.Parallel()
	bad := map[string]float64{"NaN": math.NaN(), "infinity": math.Inf(1), "less than infinity": math.Inf(-1)}
	for _, factor := range []float64{1, 0.6} {
		for _, clustered := range []bool{false, true} {
			w := settled(clustered, factor)
			for _, g := range comparing() {
				j := w.judge(g, at(0, 1))
				if want := map[bool]Verdict{true: Pass, false: Fail}[factor == 1]; g.Kind != Rate && j.Verdict != want {
					t.Fatalf("%s, factor %g, clustered %v: %s (fail %.3g, pass %.3g), so that the test shows nothing", g.Name, factor, clustered, j.Verdict, j.LogFail, j.LogPass)
				}
				for arm := range split.Arms {
					all, counts := numbersOf(&g, w.ev.Strata[0], arm)
					for i, x := range all {
						for name, value := range bad {
							spoiled(t, w, &g, x, value, fmt.Sprintf("%s in place %d of arm %d", name, i, arm))
						}
					}
					for i, x := range counts {
						spoiled(t, w, &g, x, -1, fmt.Sprintf("a negative count in place %d of arm %d", i, arm))
					}
				}
			}
		}
	}
}

// spoiled judges with one number in the place of another.
func spoiled(t *testing.T, w *world, g *Gate, x *float64, value float64, where string) {
	t.Helper()
	was := *x
	*x = value
	defer func() { *x = was }()
	if j := w.judge(*g, at(0, 1)); j.Verdict != NoData && j.Verdict != Undecided {
		t.Errorf("%s with %s: %s (%s)", g.Name, where, j.Verdict, j.Reason)
	}
}

// Distributions that were counted in other bins cannot be compared.
func TestHistogramsWithOtherEdgesGiveNoVerdict(t *testing.T) {
	t.Parallel()
	for _, bins := range []int{0, 1, 19, 21, 40} {
		for _, factor := range []float64{1, 0.6} {
			w := settled(true, factor)
			for _, arm := range []split.Arm{split.Candidate, split.Baseline} {
				side := &w.ev.Strata[0].Sides[arm].Values[1]
				was := *side
				side.Bins, side.Spread = make([]uint64, bins), nil
				for i := range side.Bins {
					side.Bins[i] = 30_000 / uint64(bins)
				}
				for _, g := range []Gate{scoreDrift(), comparing()[12]} {
					if j := w.judge(g, at(0, 1)); j.Verdict != Undecided {
						t.Errorf("%s: %d bins at arm %d and 20 at the other: %s", g.Name, bins, arm, j.Verdict)
					}
				}
				*side = was
			}
		}
	}
}
