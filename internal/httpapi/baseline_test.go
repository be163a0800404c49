package httpapi

import (
	"context"

	"github.com/belay-rollouts/belay/internal/command"
)

func (f *fakeEngine) Baseline(_ context.Context, model string) (command.Baseline, error) {
	return command.Baseline{Model: model}, f.err
}
