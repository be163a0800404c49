package httpapi

import (
	"context"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
)

// ReportOutcomes implements the contract.
func (s *server) ReportOutcomes(ctx context.Context, r api.ReportOutcomesRequestObject) (api.ReportOutcomesResponseObject, error) {
	switch n := len(r.Body.Outcomes); {
	case n == 0:
		return nil, problem.New(problem.Invalid, "there are no outcomes in the body")
	case n > MaxOutcomes:
		return nil, problem.New(problem.TooLarge, "%d outcomes are more than %d; send them in several batches", n, MaxOutcomes)
	}
	outcomes := make([]ledger.Outcome, len(r.Body.Outcomes))
	for i, o := range r.Body.Outcomes {
		outcomes[i] = ledger.Outcome{
			ID: o.ID, Assignment: o.Assignment, Model: o.Model, Unit: o.Unit, Time: o.Time, Metric: o.Metric, Value: o.Value, Covariate: o.Covariate,
		}
	}
	result, err := s.engine.Outcomes(ctx, outcomes)
	if err != nil {
		return nil, err
	}
	s.metrics.outcomes(result)
	return api.ReportOutcomes202JSONResponse(contract.Outcomes(result)), nil
}

// outcomeBatch is an api.OutcomeBatch in which a value that is missing can be
// told from 0: what nobody has said must not count as a no.
type outcomeBatch struct {
	Outcomes []struct {
		api.Outcome
		Value *float64 `json:"value"`
	} `json:"outcomes"`
}

func (b *outcomeBatch) whole() error {
	for i := range b.Outcomes {
		if b.Outcomes[i].Value == nil {
			return problem.New(problem.Invalid, "outcomes[%d].value is missing; write a number, 1 or 0 for a rate", i)
		}
	}
	return nil
}
