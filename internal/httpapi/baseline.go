package httpapi

import (
	"context"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
)

// Measurer says what the versions that serve now do.
type Measurer interface {
	Baseline(ctx context.Context, model string) (command.Baseline, error)
}

// GetBaseline implements the contract.
func (s *server) GetBaseline(ctx context.Context, r api.GetBaselineRequestObject) (api.GetBaselineResponseObject, error) {
	b, err := s.engine.Baseline(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return api.GetBaseline200JSONResponse(contract.Baseline(&b)), nil
}
