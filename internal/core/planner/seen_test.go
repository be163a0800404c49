package planner

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// aSeenPlan is a plan over users, of which a few fail often, and evidence of two
// stages of it.
func aSeenPlan(t *testing.T, unit string) (*rollout.Plan, *evidence.Evidence) {
	t.Helper()
	r := resolved(t, full)
	r.Unit, _ = spec.ParseUnit(unit)
	p, err := Compile(r, declared(t, "100/s", fullLevels...))
	if err != nil {
		t.Fatal(err)
	}
	l := &p.Layout
	ev := &evidence.Evidence{}
	chance := rand.New(rand.NewPCG(3, 3))
	conversion, _ := l.Rate("outcome:conversion")
	revenue, _ := l.Value("outcome:revenue")
	for stage := range 2 {
		s := ev.Stratum(l, stage)
		for range 60_000 {
			unit := chance.Uint64N(500)
			bucket := uint8(unit * 37)
			fails := 0.002
			if unit < 10 {
				fails = 0.2
			}
			arm := split.Baseline
			if chance.Float64() < 0.1 {
				arm = split.Candidate
				fails *= 3
			}
			s.Observe(l, evidence.Observation{
				Arm: arm, Bucket: bucket, Error: chance.Float64() < fails,
				Latency: time.Duration(40e6 * math.Exp(0.5*chance.NormFloat64())),
			})
			if chance.Float64() < 0.5 {
				bought := chance.Float64() < 0.05
				s.ObserveOutcome(conversion, arm, bucket, bought)
				amount := 0.0
				if bought {
					amount = 10 * chance.ExpFloat64()
				}
				s.ObserveValue(l, evidence.Raw{Series: revenue, Arm: arm, Bucket: bucket, Value: amount})
			}
		}
		s.Freeze(l)
		level := 0.0
		for range 200 {
			level = 0.5*level + 0.05*chance.NormFloat64()
			s.Gauges[0].Add(2e9*math.Exp(level), 2e9)
		}
	}
	ev.Learn(l)
	return &p, ev
}

func TestWhatWasSeenIsTheTrafficOfTheNextRollout(t *testing.T) {
	t.Parallel()
	p, ev := aSeenPlan(t, "header:X-User")
	seen := See(p, ev, split.Baseline)
	if seen.Requests != 120_000 {
		t.Errorf("%v requests of both arms", seen.Requests)
	}
	by := map[string]SeenMetric{}
	for _, m := range seen.Metrics {
		by[m.Name] = m
	}
	near := func(what string, got, want, slack float64) {
		t.Helper()
		if math.Abs(got-want) > slack*want {
			t.Errorf("%s is %v, want about %v", what, got, want)
		}
	}
	near("error_rate", by["error_rate"].Level, 0.002*0.98+0.2*0.02, 0.15)
	if phi := by["error_rate"].Dispersion; phi < 3 || phi > 200 {
		t.Errorf("few users with most of the errors have a dispersion of %v", phi)
	}
	near("outcome:conversion", by["outcome:conversion"].Level, 0.05, 0.1)
	near("reports for a request", by["outcome:conversion"].PerRequest, 0.5, 0.05)
	near("dispersion of independent outcomes", by["outcome:conversion"].Dispersion, 1, 0.3)
	near("outcome:revenue", by["outcome:revenue"].Level, 0.5, 0.15)
	near("cv of revenue", by["outcome:revenue"].CV, math.Sqrt(2/0.05-1), 0.15)
	near("other than zero", by["outcome:revenue"].NonZero, 0.05, 0.1)
	near("memory", by["memory"].Level, 2e9, 0.01)
	near("spread of memory", by["memory"].Spread, 0.05/math.Sqrt(0.75), 0.2)
	near("correlation of memory", by["memory"].Correlation, 0.5, 0.25)
	if seen.Latency == nil {
		t.Fatal("no latencies")
	}
	shape, err := MeasuredLatency(seen.Latency.Base, seen.Latency.First, seen.Latency.Counts)
	if err != nil {
		t.Fatal(err)
	}
	near("p99", math.Exp(shape.quantile(0.99)), 0.04*math.Exp(0.5*normalQuantile(0.99)), 0.03)
	near("dispersion of slow requests", seen.Latency.Dispersion, 1, 0.3)
	if candidate := See(p, ev, split.Candidate); candidate.Metrics[0].Level < 2*by["error_rate"].Level {
		t.Errorf("the candidate was seen at %v", candidate.Metrics[0].Level)
	}
}

func TestRequestsThatAreUnitsHaveNoDispersion(t *testing.T) {
	t.Parallel()
	p, ev := aSeenPlan(t, "request")
	seen := See(p, ev, split.Baseline)
	for _, m := range seen.Metrics {
		if m.Dispersion != 0 {
			t.Errorf("%s has a dispersion of %v", m.Name, m.Dispersion)
		}
	}
	if seen.Latency.Dispersion != 0 {
		t.Errorf("latencies have a dispersion of %v", seen.Latency.Dispersion)
	}
}

func TestNothingIsSeenOfNothing(t *testing.T) {
	t.Parallel()
	p, _ := aSeenPlan(t, "request")
	for name, ev := range map[string]*evidence.Evidence{
		"no evidence": {}, "a stratum that is not there": {Strata: []*evidence.Stratum{nil}}, "an empty one": {Strata: []*evidence.Stratum{evidence.NewStratum(&p.Layout)}},
	} {
		if seen := See(p, ev, split.Baseline); seen.Requests != 0 || len(seen.Metrics) != 0 || seen.Latency != nil {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

func TestOutcomesOverAllExposuresAreSeenSo(t *testing.T) {
	t.Parallel()
	r := resolved(t, "  gates: [{metric: outcome:bought, kind: rate, maxDecrease: 5%, per: exposure}]\n")
	p, err := Compile(r, Traffic{})
	if err != nil {
		t.Fatal(err)
	}
	ev := &evidence.Evidence{}
	s := ev.Stratum(&p.Layout, 0)
	bought, _ := p.Layout.Rate("outcome:bought")
	for i := range 1000 {
		s.Observe(&p.Layout, evidence.Observation{Arm: split.Baseline})
		if i%20 == 0 { // Successes alone are reported.
			s.ObserveOutcome(bought, split.Baseline, 0, true)
		}
	}
	for _, m := range See(&p, ev, split.Baseline).Metrics {
		if m.Name == "outcome:bought" && (m.Level != 0.05 || m.Kind != gate.Rate || m.Count != 1000) {
			t.Errorf("got %+v", m)
		}
	}
}
