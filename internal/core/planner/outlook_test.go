package planner

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// A plan with every kind of gate that needs little.
const full = `  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%, max: 5%}
    - {metric: latency_p99, maxIncrease: 10%, max: 800ms}
    - {metric: outcome:conversion, kind: rate, maxDecrease: 5%}
    - {metric: outcome:revenue, kind: mean, maxDecrease: 5%, require: no-harm}
    - {metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 20%, onFail: hold}
`

var fullLevels = []string{
	"error_rate=0.5%", "latency_p99=120ms,p50=40ms", "outcome:conversion=5%", "outcome:revenue=12.5,cv=6,nonzero=5%", "memory=2GiB,spread=5%,correlation=0.5",
}

// fullPlan is the plan that several tests look at; none of them changes it.
var fullPlan = sync.OnceValues(func() (Outlook, error) {
	file, _, err := spec.Parse("file", []byte(header+full))
	if err != nil {
		return Outlook{}, err
	}
	r, _, err := spec.Resolve(file.Models[0], file.Rollouts[0], nil)
	if err != nil {
		return Outlook{}, err
	}
	traffic, err := Declare("100/s", fullLevels)
	if err != nil {
		return Outlook{}, err
	}
	return Look(r, traffic)
})

// A plan of few stages, to be looked at often.
const short = `  stages: [{weight: 5%, dwell: 1h}, {weight: 50%, dwell: 1h}, {weight: 100%, holdback: 1%}]
  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%}
    - {metric: outcome:conversion, kind: rate, maxDecrease: 5%}
    - {metric: outcome:revenue, kind: mean, maxDecrease: 5%, require: no-harm}
`

func TestAPlanSaysWhatEachStageAndGateSees(t *testing.T) {
	t.Parallel()
	o, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Stages) != 5 || len(o.Gates) != 5 || len(o.Assumed) != 0 {
		t.Fatalf("%d stages, %d gates, assumed %q", len(o.Stages), len(o.Gates), o.Assumed)
	}
	first := o.Stages[0]
	if first.CandidateRequests != 7200 || first.Seconds != 7200 || first.Gates[0].Candidate != 7200 || first.Gates[0].Baseline != 712_800 {
		t.Errorf("the first stage has %+v", first)
	}
	if latency := first.Gates[1]; latency.Candidate != 7080 {
		t.Errorf("the warm-up of two minutes leaves %v latencies, want 7,080", latency.Candidate)
	}
	if memory := first.Gates[4]; memory.Candidate != memory.Baseline || memory.Candidate != 472 {
		t.Errorf("%v windows of 15 s, want 472 in both arms", memory.Candidate)
	}
	if o.Complete.P50 != 36_000 || o.Proven < 0.99 || !strings.Contains(o.Headline, "100% is complete after 10h") {
		t.Errorf("complete %+v, proven %v: %s", o.Complete, o.Proven, o.Headline)
	}
	if last := o.Stages[4]; last.Exposed <= o.Stages[3].Exposed || last.WeightPercent != 100 || !last.Compares {
		t.Errorf("the last stage has %+v", last)
	}
	if g := o.Gates[3]; g.Required || o.Gates[0].Required == false || !o.Gates[4].Holds {
		t.Errorf("required: %v, %v; holds: %v", o.Gates[0].Required, g.Required, o.Gates[4].Holds)
	}
	// Four gates share the alpha of the rollback, one has that of the holds.
	if o.Gates[0].Alpha != 0.0125 || o.Gates[4].Alpha != 0.05 {
		t.Errorf("alphas %v and %v", o.Gates[0].Alpha, o.Gates[4].Alpha)
	}
}

func TestEveryKindOfHarmIsCaughtSoonerTheLargerItIs(t *testing.T) {
	t.Parallel()
	o, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range o.Gates {
		if len(g.Harms) < 2 {
			t.Errorf("%s: %d harms", g.Gate, len(g.Harms))
		}
		last := math.Inf(1)
		for _, h := range g.Harms {
			if h.Times.P50 == 0 || h.Times.P50 > last || h.Caught < 0.5 {
				t.Errorf("%s %s: caught %v after %v, a smaller one after %v", g.Gate, h.Change.Text, h.Caught, h.Times.P50, last)
			}
			last = h.Times.P50
			if !slices.IsSorted(h.CaughtBy) || h.Times.P50 > h.Times.P80 && h.Times.P80 > 0 {
				t.Errorf("%s %s: by stage %v, times %+v", g.Gate, h.Change.Text, h.CaughtBy, h.Times)
			}
			if h.Exposed50 <= 0 || g.Kind != "gauge" && h.Harmed50 <= 0 {
				t.Errorf("%s %s: exposed %v, harmed %v", g.Gate, h.Change.Text, h.Exposed50, h.Harmed50)
			}
		}
	}
}

func TestStagesSeeMoreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	o, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	for g := range o.Gates {
		catches, proves := math.Inf(1), math.Inf(1)
		for _, s := range o.Stages {
			at := s.Gates[g]
			if c := at.Catches; c.P80 == nil || c.P90 == nil || math.Abs(c.P80.Relative) > catches*1.02 || math.Abs(c.P90.Relative) < math.Abs(c.P80.Relative) {
				t.Errorf("%s at %v%%: catches %+v and %+v after %v", at.Gate, s.WeightPercent, c.P80, c.P90, catches)
			} else {
				catches = math.Abs(c.P80.Relative)
			}
			if p := at.Proves; p.P80 == nil || math.Abs(p.P80.Relative) > proves*1.02 || math.Abs(p.P90.Relative) < math.Abs(p.P80.Relative) {
				t.Errorf("%s at %v%%: proves %+v after %v", at.Gate, s.WeightPercent, p.P80, proves)
			} else {
				proves = math.Abs(p.P80.Relative)
			}
		}
	}
}

// TestAMarginThatIsSaidToBeProvableIsProven plans again with each margin that a
// plan says is proven with 80 % power by the end of a stage.
func TestAMarginThatIsSaidToBeProvableIsProven(t *testing.T) {
	t.Parallel()
	traffic := declared(t, "100/s", fullLevels...)
	p, err := Compile(resolved(t, full), traffic)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newForecast(&p, traffic, outlookPaths)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range f.measures {
		for _, stage := range []int{1, 3} {
			period := f.calm[stage]
			margin := m.proves(m.look(f.calm, period, period.length), f.powers.p80)
			other, ok := m.withMargin(margin)
			if !ok || margin == 0 {
				t.Errorf("%s: no margin is proven at stage %d", m.gate.Name, stage)
				continue
			}
			if m.gate.Kind == "quantile" {
				continue // Its steps are those of the margin; the sketch would be another.
			}
			c := f.passCurves([]*measure{other}, f.calm[:stage+1], 0)[0]
			if got := c.by(period.end()); math.Abs(got-0.8) > 0.07 {
				t.Errorf("%s at stage %d: margin %.3g is proven with probability %.3f, want 0.8", m.gate.Name, stage, margin, got)
			}
		}
	}
}

// TestAHarmThatIsSaidToBeCaughtIsCaught plans the smallest harms again.
func TestAHarmThatIsSaidToBeCaughtIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	t.Parallel()
	traffic := declared(t, "100/s", fullLevels...)
	p, err := Compile(resolved(t, full), traffic)
	if err != nil {
		t.Fatal(err)
	}
	o, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	for stage, weight := range map[int]uint32{0: 100, 1: 1000} {
		for _, at := range o.Stages[stage].Gates {
			for want, c := range map[float64]*Change{0.8: at.Catches.P80} {
				got, err := Caught(&p, traffic, Harm{at.Gate, c.Relative}, weight)
				if err != nil || math.Abs(got-want) > 0.035 {
					t.Errorf("%s %s at %d: %.3f, %v; want %v", at.Gate, c.Text, weight, got, err, want)
				}
			}
		}
	}
}

func TestAPlanIsAFunctionOfItsArguments(t *testing.T) {
	t.Parallel()
	a, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	b := outlookOf(t, full, declared(t, "100/s", fullLevels...))
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

func TestAPlanIsJSONWhateverTheTraffic(t *testing.T) {
	t.Parallel()
	r := resolved(t, short)
	// Each plan takes a tenth of a second, too long for the many cases of a property.
	chance := rand.New(rand.NewPCG(1, 2))
	between := func(low, high float64) float64 { return math.Exp(low + (high-low)*chance.Float64()) }
	for range 15 {
		traffic := Traffic{
			Rate: between(-7, 12), Origin: "declared", Dispersion: between(-1, 4),
			Levels: map[string]Level{
				"error_rate":         {Value: between(-14, -0.3)},
				"outcome:conversion": {Value: between(-9, -0.01), Delay: time.Duration(between(0, 9) * float64(time.Second))},
				"outcome:revenue":    {Value: 3, CV: between(-2, 4)},
			},
		}
		p, err := Compile(r, traffic)
		if err != nil {
			t.Fatal(err)
		}
		o, err := lookAlong(&p, r, traffic, 60)
		if err != nil {
			t.Fatalf("%+v: %v", traffic, err)
		}
		body, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%+v: %v", traffic, err)
		}
		var back Outlook
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, back); diff != "" {
			t.Fatalf("%+v:\n%s", traffic, diff)
		}
		checkSane(t, &o)
	}
}

// checkSane checks what holds of every plan.
func checkSane(t *testing.T, o *Outlook) {
	t.Helper()
	for _, s := range o.Stages {
		if s.Seconds < s.DwellSeconds*0.999 || s.CandidateRequests < 0 || s.Exposed < s.CandidateRequests*0.999 {
			t.Errorf("stage %v takes %v of its dwell %v, with %v requests of %v", s.WeightPercent, s.Seconds, s.DwellSeconds, s.CandidateRequests, s.Exposed)
		}
	}
	for _, g := range o.Gates {
		for _, h := range g.Harms {
			if h.Caught < 0 || h.Caught > 1 || h.Times.P50 < 0 || h.Stage >= len(o.Stages) || !slices.IsSorted(h.CaughtBy) {
				t.Errorf("%s: %+v", g.Gate, h)
			}
		}
	}
}

func TestMoreTrafficSeesMore(t *testing.T) {
	t.Parallel()
	text := "  gates: [{metric: error_rate, maxIncrease: 20%}]\n"
	last := Outlook{}
	for i, rate := range []string{"10/s", "100/s", "1000/s"} {
		o := outlookOf(t, text, declared(t, rate, "error_rate=0.5%"))
		if i > 0 {
			if a, b := o.Stages[0].Gates[0].Catches.P80.Relative, last.Stages[0].Gates[0].Catches.P80.Relative; a >= b {
				t.Errorf("at %s the first stage catches %v, with a tenth of the traffic %v", rate, a, b)
			}
			if o.Gates[0].Pass.P50 >= last.Gates[0].Pass.P50 {
				t.Errorf("at %s the margin is proven after %v, with a tenth of the traffic after %v", rate, o.Gates[0].Pass.P50, last.Gates[0].Pass.P50)
			}
		}
		last = o
	}
}

func TestDispersionMakesAllLater(t *testing.T) {
	t.Parallel()
	text := "  stages: [{weight: 50%, dwell: 1m}, {weight: 100%}]\n  warmup: 0s\n" +
		"  gates: [{metric: error_rate, maxIncrease: 20%}, {metric: latency_p99, maxIncrease: 10%}]\n"
	r := resolved(t, text)
	plain := declared(t, "300/s", "error_rate=0.5%", "latency_p99=120ms,p50=40ms")
	sticky := declared(t, "300/s", "error_rate=0.5%,dispersion=5", "latency_p99=120ms,p50=40ms,dispersion=5")
	requests, err := Look(r, sticky)
	if err != nil {
		t.Fatal(err)
	}
	r.Unit, _ = spec.ParseUnit("header:X-User")
	independent, err := Look(r, plain)
	if err != nil {
		t.Fatal(err)
	}
	users, err := Look(r, sticky)
	if err != nil {
		t.Fatal(err)
	}
	if len(independent.Assumed) != 1 || !strings.Contains(independent.Assumed[0], "independent requests") {
		t.Errorf("without a dispersion it assumes %q", independent.Assumed)
	}
	if len(users.Assumed) != 0 {
		t.Errorf("with a dispersion it assumes %q", users.Assumed)
	}
	for g := range users.Gates {
		few, many := independent.Gates[g].Pass.P50, users.Gates[g].Pass.P50
		if r := many / few; r < 3 || r > 7 {
			t.Errorf("%s: users prove after %v, independent requests after %v", users.Gates[g].Gate, many, few)
		}
		if requests.Gates[g].Pass.P50 >= many/2 {
			t.Errorf("%s: requests that are units of their own prove after %v, users after %v", users.Gates[g].Gate, requests.Gates[g].Pass.P50, many)
		}
	}
}

func TestOutcomesComeWhenTheyCome(t *testing.T) {
	t.Parallel()
	text := "  stages: [{weight: 10%, dwell: 2h}, {weight: 50%, dwell: 3h}, {weight: 100%, dwell: 1h}]\n" +
		"  gates: [{metric: outcome:correct, maxDecrease: 4pp, horizon: 1h}]\n"
	o := outlookOf(t, text, declared(t, "20/s", "outcome:correct=95%,share=10%,delay=10m"))
	at := o.Stages[0].Gates[0]
	// Two hours less the horizon, a tenth of 20 requests a second, a tenth of them
	// at the candidate.
	if at.Candidate != 720 || at.EnoughSeconds != 6100 {
		t.Errorf("%v reports by the end of the first stage, enough after %v", at.Candidate, at.EnoughSeconds)
	}
	if h := o.Gates[0].Harms[len(o.Gates[0].Harms)-1]; h.Times.P50 < 3600 {
		t.Errorf("a harm is caught after %v, before the first outcome counts", h.Times.P50)
	}
	late := outlookOf(t, text, declared(t, "20/s", "outcome:correct=95%,share=10%,delay=110m"))
	if got := late.Stages[0].Gates[0].EnoughSeconds; got != 9100 {
		t.Errorf("enough reports that come later than their horizon after %v", got)
	}
}

func TestAGateIsOffBeforeItsStage(t *testing.T) {
	t.Parallel()
	text := "  stages: [{weight: 1%, dwell: 1h}, {weight: 10%, dwell: 1h}, {weight: 50%, dwell: 1h}, {weight: 100%}]\n" +
		"  gates: [{metric: error_rate, maxIncrease: 20%}, {metric: outcome:correct, maxDecrease: 4pp, from: 10%}]\n"
	o := outlookOf(t, text, declared(t, "100/s", "error_rate=0.5%", "outcome:correct=95%"))
	off := o.Stages[0].Gates[1]
	if off.Active || off.Candidate != 0 || off.Catches.P80 != nil || off.Proves.P80 != nil || off.MarginProven != 0 {
		t.Errorf("at 1%%: %+v", off)
	}
	for _, h := range o.Gates[1].Harms {
		if h.CaughtBy[0] != 0 || h.Times.P50 <= 3600 {
			t.Errorf("%s: caught by stage %v, after %v", h.Change.Text, h.CaughtBy, h.Times.P50)
		}
	}
	if o.Stages[3].Compares || o.Stages[3].Gates[0].Catches.P80 != nil {
		t.Errorf("at 100%% without a holdback: %+v", o.Stages[3])
	}
	if !slices.ContainsFunc(o.Warnings, func(w Warning) bool { return w.Caution == CautionUnguarded && w.Stage == 3 }) {
		t.Errorf("warnings %+v", o.Warnings)
	}
}

func TestAStageWaitsForWhatItTolerates(t *testing.T) {
	t.Parallel()
	stages := "  stages: [{weight: 1%, dwell: 10m, require: no-harm%s}, {weight: 50%, dwell: 1h}, {weight: 100%, holdback: 1%}]\n"
	text := "  gates: [{metric: error_rate, maxIncrease: 20%}]\n"
	traffic := declared(t, "100/s", "error_rate=0.5%")
	plain := outlookOf(t, strings.Replace(stages, "%s", "", 1)+text, traffic)
	strict := outlookOf(t, strings.Replace(stages, "%s", ", tolerance: 5", 1)+text, traffic)
	if plain.Stages[0].Seconds != 600 || strict.Stages[0].Seconds <= 1200 || strict.Stages[0].WaitsFor != "the verdict of error_rate" {
		t.Errorf("without a tolerance %v, with one %v for %q", plain.Stages[0].Seconds, strict.Stages[0].Seconds, strict.Stages[0].WaitsFor)
	}
	// A candidate with three times the errors does not leave the first stage.
	a, b := plain.Gates[0].Harms[2], strict.Gates[0].Harms[2]
	if a.Change.Text != "x3" || a.CaughtBy[0] > 0.5 || b.CaughtBy[0] < 0.95 || len(b.CaughtBy) != 1 {
		t.Errorf("x3 is caught by stage %v and %v", a.CaughtBy, b.CaughtBy)
	}
	// One with half as many more does.
	if small := strict.Gates[0].Harms[0]; len(small.CaughtBy) < 2 {
		t.Errorf("%s ends at %v", small.Change.Text, small.CaughtBy)
	}
}

func TestAGuardDoesNotKeepABadCandidateAtAStage(t *testing.T) {
	t.Parallel()
	o, err := fullPlan()
	if err != nil {
		t.Fatal(err)
	}
	if required, guard := o.Gates[2].Harms[0], o.Gates[3].Harms[0]; len(required.CaughtBy) != 4 || len(guard.CaughtBy) != 5 {
		t.Errorf("a required gate is passed by at %v, a guard at %v", required.CaughtBy, guard.CaughtBy)
	}
}

func TestADriftIsPlannedByItsBands(t *testing.T) {
	t.Parallel()
	text := "  gates: [{metric: error_rate, maxIncrease: 20%}, {metric: 'output:score', kind: drift, max: 0.1}]\n"
	o := outlookOf(t, text, declared(t, "100/s", "error_rate=0.5%"))
	g := o.Gates[1]
	if g.Kind != "drift" || len(g.Harms) == 0 || g.Pass.P50 == 0 {
		t.Fatalf("%+v", g)
	}
	at := o.Stages[0].Gates[1].Catches.P80
	if at == nil || at.Relative <= 0.1 || at.Relative > 0.2 {
		t.Errorf("the first stage catches %+v", at)
	}
	if p := o.Stages[0].Gates[1].Proves.P80; p == nil || p.Relative >= 0.1 {
		t.Errorf("the first stage proves %+v", p)
	}
}

func TestALimitAloneIsPlanned(t *testing.T) {
	t.Parallel()
	text := "  gates: [{metric: error_rate, max: 2%}, {metric: latency_p99, max: 300ms}, {metric: outcome:correct, min: 90%}, {metric: memory, source: scrape, query: m, max: 3GiB}]\n"
	o := outlookOf(t, text, declared(t, "100/s", "error_rate=0.5%", "latency_p99=120ms,p50=40ms", "outcome:correct=95%", "memory=2GiB,spread=5%,correlation=0.5"))
	for i, g := range o.Gates {
		if g.Pass.P50 == 0 || len(g.Harms) == 0 || o.Stages[3].Gates[i].Catches.P80 == nil {
			t.Errorf("%s: pass %+v, %d harms, catches %+v", g.Gate, g.Pass, len(g.Harms), o.Stages[3].Gates[i].Catches.P80)
		}
		if o.Stages[3].Gates[i].Proves.P80 != nil {
			t.Errorf("%s proves a margin that it does not have", g.Gate)
		}
	}
	if c := o.Stages[0].Gates[0].Catches.P80; c.Level < 0.02 || c.Level > 0.05 {
		t.Errorf("errors above 2%%: %+v", c)
	}
	if c := o.Stages[0].Gates[2].Catches.P80; c.Level > 0.9 || c.Level < 0.8 {
		t.Errorf("correct below 90%%: %+v", c)
	}
}

func TestABaselineWithoutErrorsIsPlanned(t *testing.T) {
	t.Parallel()
	text := "  gates: [{metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%}, {metric: client_error_rate, maxIncrease: 1pp}]\n"
	o := outlookOf(t, text, declared(t, "300/s", "error_rate=0%", "client_error_rate=0%"))
	if len(o.Warnings) != 0 {
		t.Errorf("%+v", o.Warnings)
	}
	var texts []string
	for _, h := range o.Gates[0].Harms {
		texts = append(texts, h.Change.Text)
	}
	if diff := cmp.Diff([]string{"+0.2pp", "+0.5pp", "+1pp", "+5pp"}, texts); diff != "" {
		t.Error(diff)
	}
	at := o.Stages[3].Gates
	if at[0].Proves.P80 == nil || at[0].Proves.P80.Text != "any" || at[1].Proves.P80 == nil || at[1].Proves.P80.Relative > 0.01 {
		t.Errorf("proves %+v and %+v", at[0].Proves.P80, at[1].Proves.P80)
	}
	// A model without errors passes after about 6/L requests of the candidate
	// (STATISTICS 7.8).
	if exposed := o.Stages[0].Exposed; exposed < 6000 || o.Gates[0].Pass.P50 > 7200 || o.Gates[0].Pass.P50 < 1000 {
		t.Errorf("passes after %v s, of which the first stage has %v requests", o.Gates[0].Pass.P50, exposed)
	}
}

func TestHarmIsWhereItIsWritten(t *testing.T) {
	t.Parallel()
	traffic := declared(t, "100/s", fullLevels...)
	p, err := Compile(resolved(t, full), traffic)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]Harm{
		"an unknown gate": {"latency_p9", 1}, "no harm": {"error_rate", -0.5}, "nothing": {"error_rate", 0}, "no number": {"error_rate", math.NaN()},
	} {
		if got, err := Caught(&p, traffic, h, 1000); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, h := range []Harm{{"error_rate", 4}, {"error_rate", 1e9}, {"latency_p99", 1}, {"outcome:conversion", -0.99}} {
		if got, err := Caught(&p, traffic, h, 1000); err != nil || got < 0.99 {
			t.Errorf("%+v: %v, %v", h, got, err)
		}
	}
	if got, err := Caught(&p, traffic, Harm{"error_rate", 4}, 50); err != nil || got != 0 {
		t.Errorf("below the first weight: %v, %v", got, err)
	}
}

// BenchmarkLook is a plan of five gates and five stages.
func BenchmarkLook(b *testing.B) {
	r, traffic := resolved(b, full), declared(b, "100/s", fullLevels...)
	for b.Loop() {
		if _, err := Look(r, traffic); err != nil {
			b.Fatal(err)
		}
	}
}
