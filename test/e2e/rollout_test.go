package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// pair starts a baseline and a candidate.
func pair(t *testing.T) (baseline, candidate *fakemodel.Server) {
	t.Helper()
	return fakemodel.Start(t, fakemodel.Options{Model: "m", Version: "v1"}), fakemodel.Start(t, fakemodel.Options{Model: "m", Version: "v2"})
}

// files are a model and a quick policy; the gates are on errors alone, because
// fakes on a busy machine say nothing about latency.
func files(baseline *fakemodel.Server, dwell time.Duration) string {
	return fmt.Sprintf(`apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: m}
spec:
  unit: header:X-User-Id
  serving: {version: v1, url: %q}
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: quick}
spec:
  minSamples: 20
  warmup: 0s
  rollback: {cooldown: 0s}
  stages:
    - {weight: 10%%, dwell: %[2]s, require: no-harm}
    - {weight: 25%%, dwell: %[2]s, require: no-harm}
    - {weight: 50%%, dwell: %[2]s, require: no-harm}
    - {weight: 100%%, dwell: %[2]s, holdback: 10%%}
  gates:
    - {metric: error_rate, maxIncrease: 5pp}
`, baseline.URL(), dwell)
}

func rolloutFile(name string, candidate *fakemodel.Server) string {
	return fmt.Sprintf(`apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: %s}
spec:
  model: m
  policy: quick
  candidate: {version: v2, url: %q}
`, name, candidate.URL())
}

// A good candidate goes up and a bad one comes down under constant traffic, and
// no caller that the baseline could have answered notices any of it.
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, good := pair(t)
	_, bad := pair(t)
	bad.SetErrors(0.3, 503)
	s.apply(files(baseline, time.Second))
	c := call(t, s.infer("m"), 300, 300)

	s.apply(rolloutFile("bad", bad))
	if r := s.wait("bad", 60*time.Second, ended); r.Phase != client.RolledBack {
		t.Errorf("the bad candidate is %s: %s", r.Phase, sentence(r))
	}
	s.apply(rolloutFile("good", good))
	r := s.wait("good", 60*time.Second, ended)
	if r.Phase != client.Completed {
		t.Errorf("the good candidate is %s: %s", r.Phase, sentence(r))
	}
	time.Sleep(300 * time.Millisecond)
	c.halt()
	if n := c.failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed: %s", n, c.sent.Load(), c.why())
	}
	if c.shielded.Load() == 0 {
		t.Error("the test shows nothing: no request was shielded")
	}
	answers := c.taken()
	if last := answers[len(answers)-1]; last.version != "v2" {
		t.Errorf("after completion version %s answers", last.version)
	}
	started := baseline.Started()
	time.Sleep(100 * time.Millisecond)
	if baseline.Started() != started {
		t.Error("the old version still serves after completion")
	}
}
