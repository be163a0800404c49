package cli

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// A rollback moves the traffic before its decision is stored. Until then the
// last decision says nothing about the end, and neither may an exit status.
func TestAnEndingIsWaitedForUntilItIsTold(t *testing.T) {
	t.Parallel()
	confirmed := &client.Ending{ConfirmedAt: time.Unix(1, 0)}
	tests := map[string]struct {
		r    client.Rollout
		want bool
	}{
		"on its way":                        {client.Rollout{Phase: client.Progressing}, false},
		"moved, and not told":               {client.Rollout{Phase: client.RolledBack, Ending: confirmed, Last: &client.DecisionHead{Kind: client.DecisionHold}}, true},
		"moved before any decision":         {client.Rollout{Phase: client.Aborted, Ending: confirmed}, true},
		"told, and not read back":           {client.Rollout{Phase: client.RolledBack, Ending: &client.Ending{}, Last: &client.DecisionHead{Kind: client.DecisionRollback}}, true},
		"told, without anything to measure": {client.Rollout{Phase: client.Completed, Last: &client.DecisionHead{Kind: client.DecisionComplete}}, true},
		"told and read back":                {client.Rollout{Phase: client.RolledBack, Ending: confirmed, Last: &client.DecisionHead{Kind: client.DecisionRollback}}, false},
	}
	for name, tt := range tests {
		if got := confirming(&tt.r); got != tt.want {
			t.Errorf("%s: confirming is %v", name, got)
		}
	}
}
