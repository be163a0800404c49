package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// newMeasured is newScene with a gate on memory that has fifty windows, and
// whose source was complete just now.
func newMeasured() *scene {
	s := newScene()
	p := s.in.Plan
	p.Gates = append(p.Gates, gate.Gate{
		Name: "memory", Kind: gate.Gauge, Series: p.Layout.AddGauge("memory"), Method: gate.Ratio, Worse: stats.Up, Margin: 0.2, Share: 1, Holds: true,
	})
	p.Resources = []Resource{{Gauge: "memory", Query: "process_resident_memory_bytes"}}
	p.Faults.SourceDown = spec.FaultHold
	s.in.Evidence = s.in.Evidence.Clone(&p.Layout)
	for i := range 50 {
		s.in.Evidence.Strata[1].Gauges[0].Add(1e9+float64(i%7)*1e6, 1e9+float64(i%5)*1e6)
	}
	s.in.Traffic.Sources = []Source{{Gauge: "memory", Since: epoch.Add(time.Hour), Complete: s.in.Now}}
	return s
}

// gone says that the last complete window ended so long ago.
func (s *scene) gone(lapse time.Duration) {
	s.in.Traffic.Sources[0].Complete = s.in.Now.Add(-lapse)
	s.in.Traffic.Sources[0].Missing = "the candidate's http://v7/metrics: connection refused"
}

func TestASourceIsDownAfterFiveWindowsAndTwoMinutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bend func(s *scene)
		down bool
	}{
		"complete just now":                {func(*scene) {}, false},
		"almost two minutes":               {func(s *scene) { s.gone(2*time.Minute - time.Second) }, false},
		"two minutes":                      {func(s *scene) { s.gone(2 * time.Minute) }, true},
		"never a complete window":          {func(s *scene) { s.in.Traffic.Sources[0].Complete = time.Time{} }, true},
		"nobody reads it":                  {func(s *scene) { s.in.Traffic.Sources = nil }, false},
		"windows cannot be taken":          {func(s *scene) { s.gone(time.Hour); s.in.Traffic.Sources[0].Since = time.Time{} }, false},
		"windows are taken since a minute": {func(s *scene) { s.gone(time.Hour); s.in.Traffic.Sources[0].Since = s.in.Now.Add(-time.Minute) }, false},
		"the stage is a minute old":        {func(s *scene) { s.gone(time.Hour); s.in.State.StageAt = s.in.Now.Add(-time.Minute) }, false},
		"the loop is awake since a minute": {func(s *scene) { s.gone(time.Hour); s.in.State.AwakeAt = s.in.Now.Add(-time.Minute) }, false},
		"the gate only informs":            {func(s *scene) { s.gone(time.Hour); s.in.Plan.Gates[2].Info = true }, false},
		"the gate begins later":            {func(s *scene) { s.gone(time.Hour); s.in.Plan.Gates[2].From = 2 }, false},
		"a person has waived the gate":     {func(s *scene) { s.gone(time.Hour); s.in.State.Waived = []string{"memory"} }, false},
		"another gauge":                    {func(s *scene) { s.gone(time.Hour); s.in.Traffic.Sources[0].Gauge = "gpu" }, false},
		"nothing is compared": {func(s *scene) {
			s.gone(time.Hour)
			s.in.Plan.Stages[1].Weight = split.Whole
			s.in.State.Strata[1].Weight = split.Whole
			s.in.Traffic.Weight = split.Whole
		}, false},
		"a paused rollout is told of it as well": {func(s *scene) { s.gone(time.Hour); s.in.State.Paused = &Pause{By: "ada"} }, true},
	} {
		s := newMeasured()
		tt.bend(s)
		d := s.decide()
		if got := d.Reason == ReasonSourceDown; got != tt.down {
			t.Errorf("%s: %s by %s: %s", name, d.Kind, d.Reason, d.Sentence)
		}
		if tt.down && (d.Kind != KindHold || d.Next.Phase != Holding || d.Next.Fault == nil || d.Next.Fault.Reason != ReasonSourceDown) {
			t.Errorf("%s: %s in phase %s, fault %+v", name, d.Kind, d.Next.Phase, d.Next.Fault)
		}
	}
}

func TestASourceThatIsDownSaysWhichAddressAndWhy(t *testing.T) {
	t.Parallel()
	s := newMeasured()
	s.gone(3*time.Minute + 5*time.Second)
	const want = "HOLD at 10%: memory cannot be measured for 3m5s: the candidate's http://v7/metrics: connection refused."
	if d := s.decide(); d.Sentence != want {
		t.Errorf("got  %s\nwant %s", d.Sentence, want)
	}
	s.in.Traffic.Sources[0] = Source{Gauge: "memory", Since: s.in.Now.Add(-10 * time.Minute)}
	if d := s.decide(); d.Sentence != "HOLD at 10%: memory cannot be measured for 10m: no window is complete." {
		t.Errorf("before the first window: %s", d.Sentence)
	}
}

func TestTheSourceThatIsDownForLongestIsNamed(t *testing.T) {
	t.Parallel()
	s := newMeasured()
	p := s.in.Plan
	p.Gates = append(p.Gates, gate.Gate{Name: "cpu", Kind: gate.Gauge, Series: p.Layout.AddGauge("cpu"), Method: gate.Ratio, Worse: stats.Up, Margin: 0.2, Share: 1})
	s.in.Evidence = s.in.Evidence.Clone(&p.Layout)
	s.gone(3 * time.Minute)
	s.in.Traffic.Sources = append(s.in.Traffic.Sources, Source{Gauge: "cpu", Since: epoch, Complete: s.in.Now.Add(-4 * time.Minute), Missing: "it is away"})
	if d := s.decide(); !strings.Contains(d.Sentence, "cpu cannot be measured for 4m: it is away.") {
		t.Error(d.Sentence)
	}
}

func TestASourceThatIsDownDoesAsThePlanSays(t *testing.T) {
	t.Parallel()
	s := newMeasured()
	s.gone(5 * time.Minute)
	s.in.Plan.Faults.SourceDown = spec.FaultRollback
	if d := s.decide(); d.Kind != KindRollback || d.Reason != ReasonSourceDown || d.Next.Phase != RolledBack {
		t.Errorf("rollback: %s by %s", d.Kind, d.Reason)
	}
	s.in.Plan.Faults.SourceDown = "" // A plan from before it could be said.
	d := s.decide()
	if d.Kind != KindHold || !d.Wake.Equal(s.in.Now.Add(time.Hour)) {
		t.Errorf("hold: %s until %v", d.Kind, d.Wake)
	}
	s.in.State, s.in.Now = d.Next, s.in.Now.Add(time.Hour)
	s.in.Traffic.LastRequest, s.in.State.SeenAt = s.in.Now, s.in.Now
	if d = s.decide(); d.Kind != KindAsk || d.Reason != ReasonSourceDown || !strings.Contains(d.Sentence, "It has lasted 1h (holdFor 1h).") {
		t.Errorf("after holdFor: %s by %s: %s", d.Kind, d.Reason, d.Sentence)
	}
	s.override()
	if d = s.decide(); d.Kind != KindAdvance {
		t.Errorf("a person may go on without it: %s: %s", d.Kind, d.Sentence)
	}
}

func TestASourceThatIsDownHidesNeitherHarmNorOtherFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bend func(s *scene)
		want Reason
	}{
		"harm":                 {func(s *scene) { s.harm() }, ReasonGateFailed},
		"a cut-off":            {func(s *scene) { s.in.Traffic.CutOff = &CutOff{} }, ReasonCutOff},
		"off the asked weight": {func(s *scene) { s.in.Traffic.Weight = 0 }, ReasonNotAtWeight},
		"no traffic":           {func(s *scene) { s.in.Traffic.LastRequest = epoch }, ReasonNoTraffic},
		"memory that failed":   {func(s *scene) { s.in.State.Failed = []string{"memory"} }, ReasonGateFailed},
	} {
		s := newMeasured()
		s.gone(time.Hour)
		tt.bend(s)
		if d := s.decide(); d.Reason != tt.want {
			t.Errorf("%s: %s by %s", name, d.Kind, d.Reason)
		}
	}
}

// Neither a lapse nor what is known of a source ever passes or fails a gate.
func TestNoSourcePassesOrFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newMeasured()
		s.in.Plan.Stages[1].Require = rapid.SampledFrom([]spec.Requirement{spec.NoHarm, spec.WithinMargin}).Draw(t, "require")
		lapse := time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "lapse"))
		s.in.Traffic.Sources[0].Complete = s.in.Now.Add(-lapse)
		with := s.decide()
		s.in.Traffic.Sources = nil
		without := s.decide()
		down := lapse >= 2*time.Minute
		switch {
		case down && (with.Kind != KindHold || with.Reason != ReasonSourceDown):
			t.Fatalf("%v without a window: %s by %s", lapse, with.Kind, with.Reason)
		case !down && with.Reason != without.Reason:
			t.Fatalf("%v without a window: %s by %s, and without a source %s by %s", lapse, with.Kind, with.Reason, without.Kind, without.Reason)
		}
	})
}

func TestWindowsFitTheStage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stage    Stage
		length   time.Duration
		readings int
	}{
		"two hours":                   {Stage{Dwell: 2 * time.Hour, Warmup: 2 * time.Minute}, 15 * time.Second, 3},
		"twenty minutes":              {Stage{Dwell: 20 * time.Minute}, 15 * time.Second, 3},
		"ten, one of warm":            {Stage{Dwell: 10 * time.Minute, Warmup: time.Minute}, 6750 * time.Millisecond, 3},
		"four minutes":                {Stage{Dwell: 4 * time.Minute}, 3 * time.Second, 3},
		"a hundred and sixty seconds": {Stage{Dwell: 160 * time.Second}, 2 * time.Second, 2},
		"ten seconds":                 {Stage{Dwell: 10 * time.Second}, time.Second, 1},
		"nothing":                     {Stage{}, time.Second, 1},
	} {
		if length, readings := tt.stage.Window(); length != tt.length || readings != tt.readings {
			t.Errorf("%s: %d readings in %v, want %d in %v", name, readings, length, tt.readings, tt.length)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Stage{Dwell: time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "dwell"))}
		s.Warmup = time.Duration(rapid.Int64Range(0, int64(s.Dwell)).Draw(t, "warmup"))
		length, readings := s.Window()
		step := length / time.Duration(readings)
		if step < time.Second || length > 15*time.Second || s.Dwell-s.Warmup >= 80*time.Second && (s.Dwell-s.Warmup)/length < 80 {
			t.Fatalf("%+v: %d readings in %v", s, readings, length)
		}
	})
}

func TestWhereAVersionTellsOfItself(t *testing.T) {
	t.Parallel()
	plain := Version{Name: "v1", URL: "https://host:8443/base"}
	if got := plain.Scraped(); !cmp.Equal(got, []string{"https://host:8443/metrics"}) {
		t.Errorf("by default: %v", got)
	}
	written := Version{Name: "v1", URL: "https://host:8443/base", Metrics: []string{"https://host:8443/metrics"}}
	if !plain.Equal(written) || !written.Equal(plain) {
		t.Error("the default and the same in writing differ")
	}
	for name, other := range map[string]Version{
		"another name": {Name: "v2", URL: plain.URL}, "another address": {Name: "v1", URL: "https://host:8444/base"},
		"another page": {Name: "v1", URL: plain.URL, Metrics: []string{"http://host:8082/metrics"}},
	} {
		if plain.Equal(other) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestAResourceCompilesToAGaugeAndItsQuestion(t *testing.T) {
	t.Parallel()
	p := compiled(t, strings.Replace(demoModel, "url: http://localhost:9001", "url: http://localhost:9001, metrics: [http://a/metrics, http://b/metrics]", 1)+`
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  extends: fast
  gates:
    - {metric: error_rate, maxIncrease: 1pp}
    - {metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 20%, max: 2GiB, onFail: hold}
    - {metric: cpu, source: scrape, query: 'rate(process_cpu_seconds_total) / rate(http_requests_total)', maxIncrease: 30%, from: 50%}
  faults: {sourceDown: rollback}
`)
	want := []Resource{{"memory", "process_resident_memory_bytes"}, {"cpu", "rate(process_cpu_seconds_total) / rate(http_requests_total)"}}
	if diff := cmp.Diff(want, p.Resources); diff != "" {
		t.Errorf("asked of the servers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"memory", "cpu"}, p.Layout.Gauges); diff != "" {
		t.Errorf("gauges of the layout (-want +got):\n%s", diff)
	}
	if p.Faults.SourceDown != spec.FaultRollback || len(p.Baseline.Scraped()) != 2 || len(p.Candidate.Scraped()) != 1 {
		t.Errorf("faults %+v, read at %v and %v", p.Faults, p.Baseline.Scraped(), p.Candidate.Scraped())
	}
	if g := p.Gates[1]; g.Kind != gate.Gauge || g.Series != 0 || !g.Holds || g.Margin != 0.2 || g.Ceilings[0].Text != "max 2GiB" {
		t.Errorf("memory compiles to %+v", g)
	}
	if g := p.Gates[2]; g.Series != 1 || g.From != 2 {
		t.Errorf("cpu compiles to %+v", g)
	}
}

func TestAmountsAreShort(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", 0.35: "0.35", 812: "812", 9999: "9999", 1234.5: "1234", 12_345: "12.3k", 1.4712e9: "1.47G", 999_999: "1M", 0.00217: "2.17m", 3e-6: "3µ", 4e-10: "0.0004µ", 1e18: "1E",
	} {
		if got := amount(x); got != want {
			t.Errorf("amount(%v) = %s, want %s", x, got, want)
		}
	}
}

func TestWhatOneServerDoesIsNotTakenForItsVersion(t *testing.T) {
	t.Parallel()
	two := []string{"http://a/metrics", "http://b/metrics"}
	for name, tt := range map[string]struct {
		baseline, candidate []string
		want                string
	}{
		"two each":                   {two, two, ""},
		"one each":                   {nil, two[:1], "one server each: the version and the server cannot be told apart"},
		"one of the candidate":       {two, nil, "one server of v7: the version and the server cannot be told apart"},
		"one of the baseline":        {two[:1], two, "one server of v6: the version and the server cannot be told apart"},
		"three against two have two": {append(two, "http://c/metrics"), two, ""},
	} {
		s := newMeasured()
		s.in.Plan.Baseline = Version{Name: "v6", URL: "http://v6", Metrics: tt.baseline}
		s.in.Plan.Candidate = Version{Name: "v7", URL: "http://v7", Metrics: tt.candidate}
		if got := s.in.Plan.Caveat(&s.in.Plan.Gates[2]); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
		if got := s.in.Plan.Caveat(&s.in.Plan.Gates[0]); got != "" {
			t.Errorf("%s: of a rate is said %q", name, got)
		}
	}
}

// A person reads the decision: what a resource cannot tell is said there, whether
// it fails or passes, and the verdict stays what it is.
func TestADecisionByAResourceOfOneServerSaysSo(t *testing.T) {
	t.Parallel()
	const caveat = "ne server each: the version and the server cannot be told apart"
	two := []string{"http://a/metrics", "http://b/metrics"}
	for name, servers := range map[string][]string{"one": nil, "two": two} {
		s := newMeasured()
		s.in.Plan.Baseline.Metrics, s.in.Plan.Candidate.Metrics = servers, servers
		said := func(what, sentence string) {
			if strings.Contains(sentence, caveat) != (servers == nil) {
				t.Errorf("%s server, %s: %s", name, what, sentence)
			}
		}
		d := deciding{Input: s.in}
		d.Judgements = Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
		said("a stage that is over", d.shown(false))
		s.in.Evidence.Strata[1].Gauges[0] = evidence.Gauge{}
		for i := range 100 {
			s.in.Evidence.Strata[1].Gauges[0].Add(3e9+float64(i%7)*1e6, 1e9+float64(i%5)*1e6)
		}
		d.Judgements = Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
		c := charges(s.in.Plan, d.Judgements, nil)[2]
		said("a gate that failed", d.gateSentence("HOLD", c))
		d.State.Failed = []string{"memory"}
		said("and stays so", d.gateSentence("HOLD", c))
		if c.judgement.Verdict != gate.Fail {
			t.Errorf("%s server: the verdict is %s", name, c.judgement.Verdict)
		}
	}
}
