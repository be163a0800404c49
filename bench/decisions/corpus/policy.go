package corpus

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// The policies: the preset as it is, the preset with gates on outcomes, and with
// one on a score.
const (
	Technical = "standard"
	Business  = "business"
	Scored    = "scored"
)

//go:embed policy.yaml
var policies []byte

// rolloutOf is a rollout under a policy.
const rolloutOf = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: model}
spec: {protocol: v2, unit: "%s", serving: {version: v1, url: "http://v1:80"}}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: model-v2}
spec: {model: model, policy: %s, candidate: {version: v2, url: "http://v2:80"}}
---
`

// Plan compiles the rollout of the case, from files as users write them.
func (c *Case) Plan() (rollout.Plan, error) {
	unit := "request"
	if c.Sticky() {
		unit = "header:X-User"
	}
	file, _, err := spec.Parse("rollout.yaml", fmt.Appendf(nil, rolloutOf+"%s", unit, c.Policy, policies))
	if err != nil {
		return rollout.Plan{}, err
	}
	resolved, _, err := spec.Resolve(file.Models[0], file.Rollouts[0], func(name string) (spec.Policy, bool) {
		i := slices.IndexFunc(file.Policies, func(p spec.Policy) bool { return p.Name == name })
		if i < 0 {
			return spec.Policy{}, false
		}
		return file.Policies[i], true
	})
	if err != nil {
		return rollout.Plan{}, err
	}
	return rollout.Compile(resolved, 1, nil)
}
