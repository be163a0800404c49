package contract

import (
	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/ledger"
)

// Outcomes turns what was made of a batch into the contract's words.
func Outcomes(result ledger.Result) api.OutcomeResult {
	out := api.OutcomeResult{
		Accepted: result.Accepted, Repeated: result.Repeated, Unattributed: result.Unattributed, Refused: []api.Refusal{},
	}
	for why, n := range result.Why {
		if out.Why == nil {
			out.Why = map[string]int{}
		}
		out.Why[string(why)] = n
	}
	for _, x := range result.Refused {
		out.Refused = append(out.Refused, api.Refusal{Index: x.Index, ID: x.ID, Reason: x.Reason})
	}
	return out
}
