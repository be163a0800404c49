package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// TestTheWorkedExamplesOfTheDocsAreWorkedOut judges the examples of docs/gates.md
// and looks for its lines there.
func TestTheWorkedExamplesOfTheDocsAreWorkedOut(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../../docs/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	ceiling := errorRatio()
	ceiling.Method, ceiling.Margin = None, 0
	ceiling.Ceilings = []Ceiling{{Limit: 0.02, Text: "max 2%"}}
	conversion := correct()
	conversion.Margin, conversion.Slope = 0.02, 0.98 // 2 % of the baseline's share
	for name, c := range map[string]struct {
		gate  Gate
		build func(w *numbers)
		users bool
	}{
		"relative": {gate: errorRatio(), build: func(w *numbers) {
			w.requests(0, split.Baseline, 9900, 50)
			w.requests(0, split.Candidate, 100, 6)
		}},
		"difference": {gate: errorDifference(), build: func(w *numbers) {
			w.requests(0, split.Baseline, 5000, 50)
			w.requests(0, split.Candidate, 5000, 55)
		}},
		"ignored below": {gate: errorIgnore(), build: func(w *numbers) {
			w.requests(0, split.Baseline, 120_000, 12)
			w.requests(0, split.Candidate, 12_000, 2)
		}},
		"quantile": {gate: latencyP99(), build: func(w *numbers) {
			r := rand.New(rand.NewPCG(3, 3))
			w.latencies(0, split.Baseline, 18_000, func(float64) time.Duration { return time.Duration(20e6 * math.Exp(.5*r.NormFloat64())) })
			w.latencies(0, split.Candidate, 2_000, func(float64) time.Duration { return time.Duration(28e6 * math.Exp(.5*r.NormFloat64())) })
		}},
		"mean": {gate: revenue(), build: func(w *numbers) {
			w.sales(0, split.Baseline, 20_000, 1)
			w.sales(0, split.Candidate, 20_000, 0.8)
		}},
		"ratio": {gate: revenuePerRequest(), build: func(w *numbers) {
			for i := range 40_000 {
				arm := split.Arm(i % 2)
				w.requests(0, arm, 1, 0)
				if w.r.Float64() < []float64{0.30, 0.27}[arm] {
					w.sales(0, arm, 1, 1)
				}
			}
		}},
		"ceiling": {gate: ceiling, build: func(w *numbers) {
			w.requests(0, split.Baseline, 2000, 80)
			w.requests(0, split.Candidate, 2000, 80)
		}},
		"requests that fail": {gate: errorRatio(), build: func(w *numbers) {
			w.requests(0, split.Baseline, 20_000, 200)
			w.requests(0, split.Candidate, 20_000, 320)
		}},
		"users that fail": {gate: errorRatio(), users: true, build: func(w *numbers) {
			w.requests(0, split.Baseline, 20_000, 200)
			w.requests(0, split.Candidate, 19_850, 170)
			w.user(0, split.Candidate, 7, 150, 150)
		}},
		"success": {gate: conversion, build: func(w *numbers) {
			w.outcomes(0, split.Baseline, 10_000, 9_400)
			w.outcomes(0, split.Candidate, 10_000, 9_340)
		}},
	} {
		w := newNumbers(7, c.users, 0)
		more := newWorld(c.users, 0)
		w.layout.Rates, w.layout.Sketches, w.layout.Tails = more.layout.Rates, more.layout.Sketches, more.layout.Tails
		w.ev = more.ev
		w.ev.Strata = nil
		w.ev.Stratum(&w.layout, 0)
		c.build(w)
		j := w.judge(c.gate, at(0, 1))
		b := c.gate.Bound(w.view(), &j, at(0, 1))
		line := fmt.Sprintf("%s | %s | %s | %s", change(b), evidenceText(j.LogFail), evidenceText(j.LogPass), j.Verdict)
		if !strings.Contains(string(docs), line) {
			t.Errorf("docs/gates.md does not say of the example %q\n    %s\n%+v", name, line, b)
		}
	}
}

// change writes a bound: per cent where it is relative, points where not.
func change(b Bound) string {
	unit := "pp"
	if b.Relative {
		unit = "%"
	}
	side := func(x float64) string {
		if math.IsInf(x, 0) {
			return "?"
		}
		return fmt.Sprintf("%+.1f", 100*x+1e-9)
	}
	return fmt.Sprintf("%s%s [%s, %s]", side(b.Estimate), unit, side(b.Lower), side(b.Upper))
}

// evidenceText writes an e-value.
func evidenceText(logE float64) string {
	switch e := math.Exp(logE); {
	case e < 10:
		return fmt.Sprintf("%.2g", e)
	case e < 1e4:
		return fmt.Sprintf("%.0f", e)
	default:
		return "over 10,000"
	}
}
