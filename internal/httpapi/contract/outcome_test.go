package contract

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/ledger"
)

func TestEveryCountOfOutcomesIsTold(t *testing.T) {
	t.Parallel()
	got := outcomesOf(ledger.Counters{
		Accepted: 5, Repeated: 4, Unattributed: 3, Refused: 2, Waiting: 1, Why: map[ledger.Missing]uint64{ledger.TooLate: 3},
	})
	want := &api.OutcomeCounts{Accepted: 5, Repeated: 4, Unattributed: 3, Refused: 2, Waiting: 1, Why: map[string]int64{"TooLate": 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}
