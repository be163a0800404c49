package httpapi

import (
	"context"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
)

// ListDecisions implements the contract.
func (s *server) ListDecisions(ctx context.Context, r api.ListDecisionsRequestObject) (api.ListDecisionsResponseObject, error) {
	limit, err := within("limit", r.Params.Limit, 100, 500)
	if err != nil {
		return nil, err
	}
	status, err := s.engine.Status(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	after := r.Params.After
	if after < 0 {
		after = max(0, status.Record.Last.Seq+after)
	}
	logged, err := s.engine.Log(ctx, status.Record.Name, after, limit)
	if err != nil {
		return nil, err
	}
	out := api.DecisionList{Rollout: status.Record.Name, Items: []api.Decision{}}
	for i := range logged {
		d := contract.Decision(&logged[i], &status.Record.Plan)
		if r.Params.Evidence {
			d.Evidence = logged[i].Evidence
		}
		out.Items = append(out.Items, d)
	}
	return api.ListDecisions200JSONResponse(out), nil
}
