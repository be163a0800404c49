package simulate

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Suitable names the built-in scenarios that tell most about a rollout: no change,
// an improvement, and harm of the kinds that its gates look for.
func Suitable(r spec.Resolved) []string {
	out := []string{"no-change", "improvement"}
	for _, g := range r.Gates {
		for _, name := range harmOf(g) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// harmOf names the scenarios with harm of the kind that a gate looks for.
func harmOf(g spec.ResolvedGate) []string {
	switch {
	case g.Metric == "error_rate":
		return []string{"errors-x2", "errors-x10"}
	case g.Metric == "client_error_rate":
		return []string{"client-errors-x5"}
	case g.Quantile > 0:
		return []string{"latency-p99-+20%", "latency-x2"}
	case g.Outcome != "" && g.Kind == spec.KindMean:
		return []string{"revenue--15%"}
	case g.Outcome != "" && (g.Outcome == "conversion" || g.Per == spec.PerExposure || g.Expect > 0 && g.Expect < rareBelow):
		return []string{"conversion--10%"}
	case g.Outcome != "":
		return []string{"quality--2pp", "quality--10pp"}
	}
	return nil
}

// rareBelow is the rate below which a success is a conversion.
const rareBelow = 0.5
