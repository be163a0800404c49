package gate

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// everyGate is one gate of each kind and method, over the layout of fuzzLayout.
func everyGate() []Gate {
	withCeiling := errorRatio()
	withCeiling.Ceilings = []Ceiling{{Limit: 0.05, Text: "max 5%"}}
	capped := memory()
	capped.Ceilings = []Ceiling{{Limit: 1e9, Text: "max 1GB"}}
	floored := revenuePerRequest()
	floored.Ceilings = []Ceiling{{Limit: 3, Complement: true, Text: "min 3"}}
	return []Gate{errorRatio(), errorDifference(), errorIgnore(), correct(), latencyP99(), revenue(), floored, memory(), capped, scoreDrift(), withCeiling}
}

func fuzzLayout(clustered bool) evidence.Layout {
	w := newWorld(clustered, 0)
	w.layout.AddValues(evidence.Series{Name: "outcome:revenue", Cap: 500})
	w.layout.AddValues(evidence.Series{Name: "output:score", Bins: 20})
	w.layout.AddGauge("memory")
	return w.layout
}

// script hands out the numbers of a fuzzer's input, and zeros after its end.
type script struct{ data []byte }

func (s *script) bits() uint64 {
	var word [8]byte
	s.data = s.data[copy(word[:], s.data):]
	return binary.LittleEndian.Uint64(word[:])
}

func (s *script) number() float64 { return math.Float64frombits(s.bits()) }

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
	}
	return e
}

// words writes the numbers that a seed begins with.
func words(numbers ...uint64) []byte {
	var out []byte
	for _, n := range numbers {
		out = binary.LittleEndian.AppendUint64(out, n)
	}
	return out
}

// FuzzJudge judges whatever numbers there are: it never panics, never makes a
// verdict of an empty arm, and says numbers only.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(words(1000, 1000, 10, 1000, 0, 500, 400), true)
	f.Add(words(1e12, 1e12, 1, 1e12, 999999999999, math.MaxUint64, math.MaxUint64, math.Float64bits(1e12), math.Float64bits(math.NaN())), false)
	f.Add(words(5, 3, 7, 1, 2, 0, 0, math.Float64bits(math.Inf(1)), math.Float64bits(-1), math.Float64bits(-1e308)), false)
	f.Fuzz(func(t *testing.T, data []byte, clustered bool) {
		l := fuzzLayout(clustered)
		ev := (&script{data}).evidence(&l)
		v := View{Layout: &l, Evidence: ev, Stages: []int{0, 2}}
		for _, g := range everyGate() {
			place := at(2, 3)
			j := g.Judge(g.Reduce(v), place, nil)
			judgedWell(t, &g, &j)
			g.Bound(v, &j, place)
			wide := g.Widened(3, &l)
			if x := wide.LogWithin(v, place); math.IsNaN(x) {
				t.Errorf("%s: within three times its margin: %v", g.Name, x)
			}
		}
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
