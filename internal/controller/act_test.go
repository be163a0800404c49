package controller_test

import (
	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

func act(kind rollout.ActKind) controller.Ask {
	return controller.Ask{Act: rollout.Act{Kind: kind, By: "ann"}}
}
