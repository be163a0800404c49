package check_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/oneshot"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// judge judges two files by gates, in a property.
func judge(t *rapid.T, baseline, candidate string, change func(*check.Options), gates ...string) *check.Report {
	p, err := plan.Choose(spec.File{}, plan.Choice{Gates: gates})
	if err != nil {
		t.Fatal(err)
	}
	p.MinSamples = 0
	o := check.Options{Plan: p, MaxBad: check.DefaultMaxBad, Options: sample.Options{
		Baseline: text("b", baseline), Candidate: text("c", candidate), MaxIDs: sample.DefaultMaxIDs, Tolerance: sample.DefaultTolerance,
	}}
	if change != nil {
		change(&o)
	}
	r, err := check.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rank orders verdicts by how bad they are.
var rank = map[gate.Verdict]int{gate.Pass: 0, gate.Undecided: 1, gate.Fail: 2}

func TestMoreErrorsAreNeverBetter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(50, 600).Draw(t, "rows")
		of := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		kC, kT := of("baseline's errors", n/2), of("candidate's errors", n/2)
		more := of("more", n/2)
		words := rapid.SampledFrom([]string{
			"error_rate maxIncrease 2pp", "error_rate maxIncrease 20%", "error_rate maxIncrease 20% ignoreBelow 5%", "error_rate max 10%", "error_rate maxIncrease 2pp max 30%",
		}).Draw(t, "gate")
		always := func(o *check.Options) { o.Anytime = rapid.Just(n%2 == 0).Draw(t, "anytime") }
		before := judge(t, statuses(n-kC, kC), statuses(n-kT, kT), always, words).Gates[0]
		after := judge(t, statuses(n-kC, kC), statuses(n-kT-more, kT+more), always, words).Gates[0]
		if rank[after.Verdict] < rank[before.Verdict] || after.PFail > before.PFail*(1+1e-9)+1e-12 || after.PPass < before.PPass*(1-1e-9)-1e-12 {
			t.Fatalf("%d errors: %s (%v, %v); %d errors: %s (%v, %v)", kT, before.Verdict, before.PFail, before.PPass, kT+more, after.Verdict, after.PFail, after.PPass)
		}
	})
}

func TestTheUnitOfDurationsAndSumsChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		factor := math.Exp2(float64(rapid.IntRange(-6, 6).Draw(t, "factor")))
		file := func(n int, scale, by float64) string {
			var b strings.Builder
			b.WriteString("latency_ms,revenue\n")
			for range n {
				fmt.Fprintf(&b, "%v,%v\n", by*scale*64*math.Round(100*math.Exp(.5*r.NormFloat64())), by*math.Round(100*math.Exp(r.NormFloat64())))
			}
			return b.String()
		}
		seed := rapid.Uint64().Draw(t, "rows")
		both := func(by float64) (b, c string) {
			r = rand.New(rand.NewPCG(seed, 2))
			return file(200, 1, by), file(150, 1.25, by)
		}
		gates := []string{"latency_p90 maxIncrease 10%", "outcome:revenue kind mean maxDecrease 5%"}
		b, c := both(1)
		plainly := judge(t, b, c, nil, gates...)
		b, c = both(factor)
		scaled := judge(t, b, c, nil, gates...)
		for i := range gates {
			x, y := plainly.Gates[i], scaled.Gates[i]
			if x.Verdict != y.Verdict || math.Abs(x.PFail-y.PFail) > 1e-9 || math.Abs(x.PPass-y.PPass) > 1e-9 {
				t.Fatalf("%s: %s (%v, %v), times %v: %s (%v, %v)", x.Gate, x.Verdict, x.PFail, x.PPass, factor, y.Verdict, y.PFail, y.PPass)
			}
		}
	})
}

// The thresholds that are shown are those of Holm: a gate reaches its own exactly
// when its corrected p-value reaches alpha.
func TestThresholdsAreThoseOfHolm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 6).Draw(t, "gates")
		header, gates := "", []string{}
		for i := range columns {
			header += fmt.Sprintf("x%d,", i)
			gates = append(gates, fmt.Sprintf("outcome:x%d maxIncrease 1pp", i))
		}
		file := func(name string) string {
			var b strings.Builder
			b.WriteString(header + "end\n")
			bad := rapid.SliceOfN(rapid.IntRange(0, 60), columns, columns).Draw(t, name)
			for row := range 300 {
				for i := range columns {
					fmt.Fprintf(&b, "%d,", map[bool]int{true: 1}[row < bad[i]])
				}
				b.WriteString("\n")
			}
			return b.String()
		}
		r := judge(t, file("baseline"), file("candidate"), nil, gates...)
		ps := make([]float64, columns)
		for i, g := range r.Gates {
			ps[i] = g.PFail
		}
		for i, corrected := range oneshot.Holm(ps) {
			if g := r.Gates[i]; (g.Verdict == gate.Fail) != (corrected <= 0.05) && math.Abs(corrected-0.05) > 1e-9 {
				t.Fatalf("%s is %s at %v of %v; corrected %v", g.Gate, g.Verdict, g.PFail, g.PFailAt, corrected)
			}
		}
	})
}

// Beyond what is kept of durations, counts at the edges of a sketch judge. They
// must say nearly the same, and never more.
func TestTheSketchSaysWhatTheDurationsSay(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	file := func(n int, scale float64) string {
		var b strings.Builder
		b.WriteString("latency_ms,stage\n")
		for range n {
			fmt.Fprintf(&b, "%v,x\n", 20*scale*math.Exp(.5*r.NormFloat64()))
		}
		return b.String()
	}
	for _, slower := range []float64{0.9, 1, 1.1, 1.3} {
		b, c := file(3000, 1), file(3000, slower)
		exact := run(t, options(t, b, c, "latency_p90 maxIncrease 10%")).Gates[0]
		// A second, empty-handed stratum takes the exact test away.
		o := options(t, b+"20,y\n", c+"20,y\n", "latency_p90 maxIncrease 10%")
		sketched := run(t, o).Gates[0]
		for what, pair := range map[string][2]*float64{
			"estimate": {exact.Bound.Estimate, sketched.Bound.Estimate}, "lower": {exact.Bound.Lower, sketched.Bound.Lower}, "upper": {exact.Bound.Upper, sketched.Bound.Upper},
		} {
			if pair[0] == nil || pair[1] == nil || math.Abs(*pair[0]-*pair[1]) > 0.025 {
				t.Errorf("times %v: %s %v, by the sketch %v", slower, what, show(pair[0]), show(pair[1]))
			}
		}
	}
}

func TestPairsBoundAChangeMoreCloselyThanTheArmsDo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 6))
	var b, c strings.Builder
	b.WriteString("id,correct,value\n")
	c.WriteString("id,correct,value\n")
	for i := range 600 {
		right, worth := r.Float64() < .8, math.Exp(.8*r.NormFloat64())
		// As many right answers become wrong as wrong ones right.
		other := right != (r.Float64() < when(right, .015, .06))
		fmt.Fprintf(&b, "%d,%v,%v\n", i, right, worth)
		fmt.Fprintf(&c, "%d,%v,%v\n", i, other, worth*math.Exp(.05*r.NormFloat64()))
	}
	gates := []string{"accuracy maxDecrease 3pp", "outcome:value kind mean maxDecrease 5% cap 1000"}
	paired := run(t, options(t, b.String(), c.String(), gates...))
	o := options(t, b.String(), c.String(), gates...)
	o.Unpaired = true
	apart := run(t, o)
	for i := range gates {
		p, a := paired.Gates[i], apart.Gates[i]
		if !p.Paired || a.Paired || p.Verdict != gate.Pass || a.Verdict == gate.Fail {
			t.Errorf("%s: paired %s, apart %s", p.Gate, p.Verdict, a.Verdict)
		}
		if wide, close := *a.Bound.Upper-*a.Bound.Lower, *p.Bound.Upper-*p.Bound.Lower; close > wide/2 {
			t.Errorf("%s: %v wide apart, %v wide by pairs", p.Gate, wide, close)
		}
		if math.Abs(*p.Bound.Estimate-*a.Bound.Estimate) > 1e-3 {
			t.Errorf("%s: estimates %v and %v", p.Gate, *p.Bound.Estimate, *a.Bound.Estimate)
		}
	}
}

// One heavy user with all the errors is one user, in a file as in a rollout.
func TestUnitsWidenWhatRowsWouldProve(t *testing.T) {
	t.Parallel()
	var b, c strings.Builder
	b.WriteString("user,status,latency_ms,value\n")
	c.WriteString("user,status,latency_ms,value\n")
	for i := range 4000 {
		fmt.Fprintf(&b, "b%d,200,%d,%d\n", i%80, 10+i%7, 5+i%3)
		heavy, user := i%20 == 3, i%80
		if heavy {
			user = 3
		}
		fmt.Fprintf(&c, "c%d,%d,%d,%d\n", user, map[bool]int{false: 200, true: 500}[heavy], map[bool]int{false: 10, true: 90}[heavy]+i%7, 5+i%3)
	}
	gates := []string{"error_rate maxIncrease 0.2pp", "latency_p98 maxIncrease 10%"}
	for _, always := range []bool{false, true} {
		o := options(t, b.String(), c.String(), gates...)
		o.Anytime = always
		for _, g := range run(t, o).Gates {
			if g.Verdict == gate.Fail {
				t.Errorf("anytime %v: %s fails by one user (p %v)", always, g.Gate, g.PFail)
			}
		}
		o.Columns = append(o.Columns, askNone("unit"))
		for _, g := range run(t, o).Gates {
			if g.Verdict != gate.Fail {
				t.Errorf("anytime %v: without units %s is %s: the test cannot fail", always, g.Gate, g.Verdict)
			}
		}
	}
}

func askNone(role column.Role) column.Ask { return column.Ask{Role: role} }
