package demo

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// resolved is what the server makes of the demo's files.
func resolved(t *testing.T, speed float64) spec.Resolved {
	t.Helper()
	text := policy(speed) + "---\n" + model("v1", "http://127.0.0.1:1") + "---\n" + deployment("v3", "http://127.0.0.1:2")
	file, warnings, err := spec.Parse("demo.yaml", []byte(text))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("parse the demo's files: %v, warnings %v", err, warnings)
	}
	out, warnings, err := spec.Resolve(file.Models[0], file.Rollouts[0], func(name string) (spec.Policy, bool) {
		return file.Policies[0], name == file.Policies[0].Name
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("resolve the demo's files: %v, warnings %v", err, warnings)
	}
	return out
}

func TestThePolicyIsTheOneThatTheDemoPromises(t *testing.T) {
	t.Parallel()
	got := resolved(t, 1)
	if refusals, warnings := spec.Unsupported(got); len(refusals) > 0 || len(warnings) > 0 {
		t.Errorf("the server refuses %v and warns of %v", refusals, warnings)
	}
	plan, err := rollout.Compile(got, 1, nil)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	type stage struct {
		weight  string
		dwell   time.Duration
		require spec.Requirement
	}
	var ladder []stage
	for _, s := range plan.Stages {
		ladder = append(ladder, stage{rollout.Weight(s.Asked()), s.Dwell, s.Require})
		if s.Warmup != 0 || s.MinSamples == 0 {
			t.Errorf("stage %s: warm-up %v, %d samples", rollout.Weight(s.Asked()), s.Warmup, s.MinSamples)
		}
	}
	want := []stage{
		{"1%", 3 * time.Second, spec.NoHarm},
		{"10%", 3 * time.Second, spec.NoHarm},
		{"25%", 3 * time.Second, spec.NoHarm},
		{"50%", 3 * time.Second, spec.WithinMargin},
		{"100%", 3 * time.Second, spec.NoHarm},
	}
	if diff := cmp.Diff(want, ladder, cmp.AllowUnexported(stage{})); diff != "" {
		t.Errorf("ladder (-want +got):\n%s", diff)
	}
	gates := map[string]string{}
	for i := range plan.Gates {
		gates[plan.Gates[i].Name] = plan.Gates[i].MarginText()
	}
	if diff := cmp.Diff(map[string]string{"error_rate": "+1pp", "latency_p99": "+50%", "outcome:correct": "-4pp"}, gates); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	for stage := range plan.Stages {
		if unguarded := plan.Unguarded(stage); unguarded != "" {
			t.Errorf("unguarded at stage %d: %s", stage, unguarded)
		}
	}
	if plan.Rollback.Cooldown != 0 || !plan.Rollback.Shield {
		t.Errorf("cooldown %v, shield %v; want none, and on", plan.Rollback.Cooldown, plan.Rollback.Shield)
	}
}

func TestSpeedShortensEveryDwellAndNothingElse(t *testing.T) {
	t.Parallel()
	slow := resolved(t, 1).Environments[0].Stages
	for speed, want := range map[float64]time.Duration{2: 1500 * time.Millisecond, 0.5: 6 * time.Second, 2.5: 1200 * time.Millisecond} {
		fast := resolved(t, speed).Environments[0].Stages
		for i := range fast {
			if fast[i].Dwell != want {
				t.Errorf("speed %v: stage %d lasts %v, want %v", speed, i, fast[i].Dwell, want)
			}
			fast[i].Dwell = slow[i].Dwell
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Errorf("speed %v changes more than dwells (-want +got):\n%s", speed, diff)
		}
	}
	if policy(1) != policyFile {
		t.Error("speed 1 changes the policy file")
	}
}

func TestTheLadderIsReadOffThePolicy(t *testing.T) {
	t.Parallel()
	got, err := readLadder(policy(2))
	want := ladder{
		weights: []string{"1%", "10%", "25%", "50%", "100%"},
		total:   7500 * time.Millisecond, first: 0.01, dwell: 1500 * time.Millisecond, samples: 20,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ladder{})); diff != "" || err != nil {
		t.Errorf("error %v, ladder (-want +got):\n%s", err, diff)
	}
	if _, err := readLadder("kind: Nothing"); err == nil || !strings.Contains(err.Error(), "read the demo's policy") {
		t.Errorf("a broken policy gives %v", err)
	}
}

func TestTheDocsShowThePolicyThatIsApplied(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/demo.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```yaml\n"+policyFile+"```\n") {
		t.Error("docs/demo.md shows another policy than files/policy.yaml")
	}
	for _, c := range Candidates() {
		if !strings.Contains(string(page), "| "+c.Version+" | ") {
			t.Errorf("docs/demo.md says nothing about %s", c.Version)
		}
	}
}
