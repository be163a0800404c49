package simulate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// follow lets outcomes that get worse at the candidate be drawn also where no gate
// reads them: the harm is there whether or not anybody looks.
func (w *World) follow() {
	for i := range w.Scenario.Baseline.Outcomes {
		if w.changes(i) && !slices.Contains(w.outcomes, i) {
			w.outcomes, w.sinks = append(w.outcomes, i), append(w.sinks, nil)
		}
	}
}

// changes reports whether some effect worsens an outcome at one arm alone.
func (w *World) changes(outcome int) bool {
	o := &w.Scenario.Baseline.Outcomes[outcome]
	return slices.ContainsFunc(w.Scenario.Effects, func(e scenario.Effect) bool {
		return e.Arm != scenario.Both && e.Worsens(o)
	})
}

// unseen notes what gets worse at the candidate and no gate looks at.
func (w *World) unseen() []string {
	var what []string
	see := func(worse, seen bool, name string) {
		if worse && !seen && !slices.Contains(what, name) {
			what = append(what, name)
		}
	}
	named := func(name string) bool {
		return slices.ContainsFunc(w.Plan.Gates, func(g gate.Gate) bool { return g.Name == name })
	}
	kind := func(k gate.Kind) bool {
		return slices.ContainsFunc(w.Plan.Gates, func(g gate.Gate) bool { return g.Kind == k })
	}
	for i := range w.Scenario.Effects {
		e := &w.Scenario.Effects[i]
		if e.Arm == scenario.Both {
			continue
		}
		see(e.Errors.Raises(), named(evidence.ErrorRate), evidence.ErrorRate)
		see(e.ClientErrors.Raises(), named(evidence.ClientErrorRate), evidence.ClientErrorRate)
		see(e.Latency.Raises(), kind(gate.Quantile), "latencies")
		see(e.Scores != 0, len(w.scores) > 0, "scores")
		see(e.Gauges.Raises(), kind(gate.Gauge), "resources")
	}
	for at, i := range w.outcomes {
		see(w.changes(i), len(w.sinks[at]) > 0, outcomePrefix+w.Scenario.Baseline.Outcomes[i].Name)
	}
	if len(what) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("scenario %s worsens %s, which no gate looks at", w.Scenario.Name, strings.Replace(value.OrList(what), " or ", " and ", 1))}
}
