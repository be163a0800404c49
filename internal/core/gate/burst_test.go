package gate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

var dawn = time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)

// windows adds windows to a stratum: in each both arms have 200 requests and as
// many outcomes, ten of each bad at the baseline, and as many as are given in turn
// at the candidate.
func (w *world) windows(stratum, n int, bad ...int) {
	s, from := w.ev.Strata[stratum], dawn.Add(time.Duration(stratum)*time.Hour)
	if s.Windows != nil {
		from = time.Unix(s.Windows.Open*s.Windows.Width, 0)
	}
	for i := range n {
		s.Tick(from.Add(time.Duration(i) * 10 * time.Second))
		w.requests(stratum, split.Baseline, 200, 10)
		w.requests(stratum, split.Candidate, 200, bad[i%len(bad)])
		w.outcomes(stratum, split.Baseline, 200, 190)
		w.outcomes(stratum, split.Candidate, 200, 200-bad[i%len(bad)])
	}
	s.Tick(from.Add(time.Duration(n) * 10 * time.Second))
}

// countGates are the gates of counts over time.
func countGates() map[string]Gate {
	exposed := correct()
	exposed.PerExposure, exposed.Exposures = true, 0
	rare := Gate{Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: Ratio, Complement: true, Worse: stats.Up, Margin: 0.05, Slope: 1, Share: 1}
	return map[string]Gate{
		"a ratio": errorRatio(), "a difference": errorDifference(), "a ratio above a level": errorIgnore(),
		"a difference of failures": correct(), "a ratio of failures": rare, "a difference by exposure": exposed,
	}
}

func TestBurstsOfOneArmAreNoProof(t *testing.T) {
	t.Parallel()
	for name, g := range countGates() {
		steady, bursty := newWorld(false, 0), newWorld(false, 0)
		steady.windows(0, 40, 40)
		bursty.windows(0, 40, 0, 0, 0, 160)
		a, b := steady.judge(g, at(0, 1)), bursty.judge(g, at(0, 1))
		if a.Total != b.Total {
			t.Fatalf("%s: %+v and %+v", name, a.Total, b.Total)
		}
		if a.Sample.Phi != 1 || a.Verdict != Fail {
			t.Errorf("%s: steady harm has the dispersion %v: %s", name, a.Sample.Phi, a.Verdict)
		}
		if b.Sample.Phi < 10 || b.LogFail > a.LogFail/5 || b.Sample.at(0).Phi != b.Sample.Phi {
			t.Errorf("%s: harm in bursts has the dispersion %v, at the stage %v; log e-values %.1f and %.1f", name, b.Sample.Phi, b.Sample.at(0).Phi, b.LogFail, a.LogFail)
		}
	}
}

// An outage in the first minutes is no burst, and neither is one later.
func TestAnOutageIsFoundAtOnceAtAnyTime(t *testing.T) {
	t.Parallel()
	for name, g := range countGates() {
		for _, quiet := range []int{0, 3, 28} {
			w := newWorld(false, 0)
			w.windows(0, quiet, 10)
			w.windows(0, 1, 200)
			if j := w.judge(g, at(0, 1)); j.Sample.Phi != 1 || quiet < 10 && j.Verdict != Fail {
				t.Errorf("%s: after %d windows %s, with the dispersion %v", name, quiet, j.Verdict, j.Sample.Phi)
			}
		}
		w := newWorld(false, 0)
		w.windows(0, 60, 10)
		w.requests(0, split.Baseline, 20, 1)
		w.requests(0, split.Candidate, 20, 20)
		w.outcomes(0, split.Baseline, 20, 19)
		w.outcomes(0, split.Candidate, 20, 0)
		if j := w.judge(g, at(0, 1)); j.Sample.Phi > 1.01 {
			t.Errorf("%s: what comes in the open window disperses: %v", name, j.Sample.Phi)
		}
	}
}

func TestAYoungStageIsAsDispersedAsThoseBefore(t *testing.T) {
	t.Parallel()
	g := errorRatio()
	w := newWorld(false, 0, 1, 2)
	w.windows(0, 40, 0, 0, 40)
	first := w.judge(g, at(2, 3)).Sample
	w.windows(1, 5, 10)
	w.windows(2, 40, 10)
	s := w.judge(g, at(2, 3)).Sample
	switch {
	case s.at(0) != first.at(0):
		t.Errorf("a finished stage moved from %+v to %+v", first.at(0), s.at(0))
	case !(s.at(1).Phi > 5):
		t.Errorf("a young stage after a bursty one has the dispersion %v", s.at(1).Phi)
	case s.at(2).Phi != 1:
		t.Errorf("a stage of forty quiet windows has the dispersion %v", s.at(2).Phi)
	case !(s.Phi > 5) || !(s.Phi < s.at(0).Phi):
		t.Errorf("all together have the dispersion %v, the first stage %v", s.Phi, s.at(0).Phi)
	}
}

// Units and windows each tell of what the other does not see.
func TestTheWiderOfUnitsAndWindowsCounts(t *testing.T) {
	t.Parallel()
	for name, g := range countGates() {
		w := newWorld(true, 0)
		w.windows(0, 40, 0, 0, 0, 40)
		s := w.judge(g, at(0, 1)).Sample
		bare := w.ev.Strata[0].Windows
		w.ev.Strata[0].Windows = nil
		units := w.judge(g, at(0, 1)).Sample
		w.ev.Strata[0].Windows = bare
		if s.Phi < units.Phi || s.PassPhi < units.PassPhi || s.CeilingPhi != units.CeilingPhi {
			t.Errorf("%s: %+v, by units alone %+v", name, s.Dispersion, units.Dispersion)
		}
		if s.PassPhi < 5 || s.at(0).PassPhi < 5 {
			t.Errorf("%s: a pass is at the dispersion %v", name, s.PassPhi)
		}
	}
}

// The tail of a quantile is followed where its units are.
func TestSlowRequestsInBurstsAreNoProof(t *testing.T) {
	t.Parallel()
	build := func(clustered bool, slow ...float64) *world {
		w := newWorld(clustered, 0)
		w.latencies(0, split.Baseline, evidence.FreezeAfter, lognormal(1))
		w.ev.Strata[0].Freeze(&w.layout)
		for i := range 40 {
			w.ev.Strata[0].Tick(dawn.Add(time.Duration(i) * 10 * time.Second))
			w.latencies(0, split.Baseline, 200, lognormal(1))
			w.latencies(0, split.Candidate, 200, lognormal(slow[i%len(slow)]))
		}
		w.ev.Strata[0].Tick(dawn.Add(400 * time.Second))
		return w
	}
	g := latencyP99()
	byWindows := func(w *world) bool {
		s := w.judge(g, at(0, 1)).Sample
		w.ev.Strata[0].Windows = nil
		return s.Phi > w.judge(g, at(0, 1)).Sample.Phi
	}
	if byWindows(build(true, 1.3)) {
		t.Error("steadily slow: dispersed")
	}
	if !byWindows(build(true, 1, 1, 1, 1, 1, 20)) {
		t.Error("slow in bursts: not dispersed")
	}
	if byWindows(build(false, 1, 1, 1, 1, 1, 20)) {
		t.Error("without tails: dispersed")
	}
}

// Windows never make evidence stronger, and what a gate makes of them is judged
// again when they change.
func TestWindowsOnlyTemper(t *testing.T) {
	t.Parallel()
	gates := countGates()
	names := []string{"a ratio", "a difference", "a ratio above a level", "a difference of failures", "a ratio of failures", "a difference by exposure"}
	rapid.Check(t, func(t *rapid.T) {
		g := gates[rapid.SampledFrom(names).Draw(t, "gate")]
		if rapid.Bool().Draw(t, "ceiling") {
			g.Ceilings = []Ceiling{{Limit: 0.2, Text: "max 20%"}}
		}
		w := newWorld(rapid.Bool().Draw(t, "clustered"), 0, 1)
		for stratum := range 2 {
			w.windows(stratum, rapid.IntRange(0, 45).Draw(t, "windows"), rapid.SliceOfN(rapid.IntRange(0, 60), 1, 5).Draw(t, "bad")...)
		}
		tempered := w.judge(g, at(1, 2))
		kept := []*evidence.Windows{w.ev.Strata[0].Windows, w.ev.Strata[1].Windows}
		w.ev.Strata[0].Windows, w.ev.Strata[1].Windows = nil, nil
		plain := w.judge(g, at(1, 2))
		if tempered.Sample.Phi < plain.Sample.Phi || tempered.Sample.at(1).Phi < plain.Sample.at(1).Phi {
			t.Fatalf("dispersion %v, without windows %v", tempered.Sample.Dispersion, plain.Sample.Dispersion)
		}
		if tempered.Sample.CeilingPhi != plain.Sample.CeilingPhi || !slices.Equal(tempered.CeilingStages, plain.CeilingStages) {
			t.Fatal("windows disperse a ceiling")
		}
		if tempered.Sample.Phi == plain.Sample.Phi && tempered.Pooled != plain.Pooled {
			t.Fatalf("the same dispersion gives %v and %v", tempered.Pooled, plain.Pooled)
		}
		w.ev.Strata[0].Windows, w.ev.Strata[1].Windows = kept[0], kept[1]
		if again := g.Judge(g.Reduce(w.view()), at(1, 2), &plain); again.LogFail != tempered.LogFail || again.LogPass != tempered.LogPass {
			t.Fatalf("judged after another: %v and %v, by itself %v and %v", again.LogFail, again.LogPass, tempered.LogFail, tempered.LogPass)
		}
	})
}

func TestAGateOfLimitsAloneNeedsNoWindows(t *testing.T) {
	t.Parallel()
	g := errorRatio()
	g.Method, g.Ceilings = None, []Ceiling{{Limit: 0.5, Text: "max 50%"}}
	w := newWorld(false, 0)
	w.windows(0, 40, 0, 40)
	if s := w.judge(g, at(0, 1)).Sample; s.Phi != 1 || s.CeilingPhi != 1 {
		t.Errorf("%+v", s.Dispersion)
	}
}

// Windows of fewer series than the layout's, as from an older store, are none.
func TestWindowsWithoutTheGatesSeriesSayNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(false, 0)
	w.windows(0, 40, 0, 40)
	w.ev.Strata[0].Windows.Rates = w.ev.Strata[0].Windows.Rates[:1]
	if phi := w.judge(correct(), at(0, 1)).Sample.Phi; phi != 1 {
		t.Errorf("dispersion %v", phi)
	}
}

// FuzzJudgeWindows judges windows of whatever numbers.
func FuzzJudgeWindows(f *testing.F) {
	f.Add(words(100, 5, 100, 5, 100, 90, 100, 1), false)
	f.Add(words(1e12, 1, 1e12, 1e12, 0, 0, 7, 7), true)
	f.Add(words(math.MaxUint64, math.MaxUint64, 1, math.MaxUint64, 3, 0, math.MaxUint64, 1), false)
	f.Fuzz(func(t *testing.T, data []byte, clustered bool) {
		l := fuzzLayout(clustered)
		in := &script{data}
		ev := in.evidence(&l)
		for stratum, s := range ev.Strata {
			s.Windows = &evidence.Windows{Width: 10}
			for range l.Rates {
				kinds := [2]evidence.Window{{{in.bits(), in.bits()}, {in.bits(), in.bits()}}, {{in.bits(), in.bits()}, {in.bits(), in.bits()}}}
				var row []evidence.Window
				for i := range 40 {
					row = append(row, kinds[(i+stratum)%2])
				}
				s.Windows.Rates = append(s.Windows.Rates, row)
			}
		}
		v := View{Layout: &l, Evidence: ev, Stages: []int{0, 2}}
		for _, g := range everyGate() {
			j := g.Judge(g.Reduce(v), at(2, 3), nil)
			judgedWell(t, &g, &j)
		}
	})
}
