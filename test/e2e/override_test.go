package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// holding is a policy whose gate holds where it fails, and rolls nothing back.
const holding = `apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: quick}
spec:
  warmup: 0s
  minSamples: 20
  stages:
    - {weight: 10%, dwell: 1h, require: no-harm}
    - {weight: 25%, dwell: 1h, require: no-harm}
    - {weight: 100%, dwell: 1h, holdback: 10%}
  gates:
    - {metric: error_rate, maxIncrease: 5pp, onFail: hold}
`

// A gate has failed and holds the rollout. A person may go on all the same, but
// only under a name and with a reason, and the log keeps both.
func TestPromotingOverAFailedGateTakesANameAndAReason(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Second))
	s.apply(holding)
	call(t, s.infer("m"), 200, 200)
	candidate.SetErrors(0.25, 500) // Below what the router cuts off by itself.
	s.apply(rolloutFile("r", candidate))
	failed := s.wait("r", 60*time.Second, func(r client.Rollout) bool {
		return r.Phase == client.Holding && r.Last != nil && r.Last.Reason == "GateFailed"
	})
	if failed.Last.Kind != client.DecisionHold || failed.Last.Gate != "error_rate" {
		t.Errorf("decided: %s %s", failed.Last.Kind, sentence(failed))
	}

	command(t, s, "", "promote", "r").fails(1, "error_rate", "not met: error_rate has failed", "--override", "--reason")
	command(t, s, "", "promote", "r", "--override").fails(2, "--override needs a --reason")
	command(t, s, "", "promote", "r", "--override", "--reason", "  ").fails(2, "--override needs a --reason")
	refuseOverride(t, s, "mira", `{"kind": "promote", "override": true}`, "an override needs a reason")
	refuseOverride(t, s, "", `{"kind": "promote", "override": true, "reason": "we know it"}`, "Belay-Actor")
	refuseOverride(t, s, "  ", `{"kind": "promote", "override": true, "reason": "we know it"}`, "Belay-Actor")
	if r := s.status("r"); r.Stage.Index != 0 || r.Phase != client.Holding {
		t.Fatalf("after the refusals the rollout is %s at stage %d", r.Phase, r.Stage.Index)
	}

	command(t, s, "", "promote", "r", "--override", "--reason", "the errors are the test's own").
		works("promoted by mira: the errors are the test's own (override)")
	var found bool
	for _, d := range s.log("r") {
		if d.Act != nil && d.Act.Override {
			found = d.Act.By == "mira" && d.Act.Reason == "the errors are the test's own"
		}
	}
	if r := s.status("r"); !found || r.Stage.Index != 1 {
		t.Errorf("stage %d; the log tells of the override: %v", r.Stage.Index, found)
	}
}

// refuseOverride sends an act past the command line, in somebody's name.
func refuseOverride(t *testing.T, s *server, actor, act string, texts ...string) {
	t.Helper()
	status, text := postAs(t, actor, "http://"+s.admin+"/api/v1/rollouts/r/actions", "application/json", act)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("as %q the API answers %d", actor, status)
	}
	has(t, text, append(texts, `"code":"refused"`)...)
}
