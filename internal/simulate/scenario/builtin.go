package scenario

import (
	_ "embed"
	"slices"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/problem"
)

//go:embed builtin.yaml
var builtinFile []byte

// builtins reads the scenarios that are always there, once. A test proves that
// all of them can be read.
var builtins = sync.OnceValue(func() []Scenario {
	p, err := read("built-in scenarios", builtinFile)
	if err != nil {
		panic("scenario: " + err.Error())
	}
	all, err := p.resolve(nil)
	if err != nil {
		panic("scenario: " + err.Error())
	}
	return all
})

// Builtins returns the scenarios that are always there, the world without a
// change first.
func Builtins() []Scenario {
	all := slices.Clone(builtins())
	for i := range all {
		all[i] = all[i].Filled()
	}
	return all
}

// Names are the names of the scenarios that are always there.
func Names() []string { return namesOf(builtins()) }

func namesOf(all []Scenario) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names
}

// Builtin returns the scenario of a name that is always there.
func Builtin(name string) (Scenario, error) {
	all := builtins()
	if i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name }); i >= 0 {
		return all[i].Filled(), nil
	}
	hint := "there are " + value.OrList(Names())
	if near := value.Nearest(name, Names()); near != "" {
		hint = "did you mean " + value.Quote(near) + "?"
	}
	return Scenario{}, problem.New(problem.Invalid, "there is no scenario named %s; %s", value.Quote(name), hint)
}

// In returns the scenario in the world of another: its traffic and its baseline,
// with the effects of the receiver. Effects on single outcomes are kept for those
// that the world has.
func (s Scenario) In(world Scenario) Scenario {
	s.Traffic, s.Baseline = world.Traffic, world.Baseline
	s = s.Filled()
	for i := range s.Effects {
		s.Effects[i].Outcomes = slices.DeleteFunc(slices.Clone(s.Effects[i].Outcomes), func(o OutcomeEffect) bool {
			return !slices.ContainsFunc(world.Baseline.Outcomes, func(b Outcome) bool { return b.Name == o.Name })
		})
	}
	return s
}

// Schema describes documents of kind Scenario by a JSON Schema.
func Schema() []byte {
	return field.Schema("https://belay.dev/schema/v1alpha1/scenario.json", "Belay scenarios", "Worlds to simulate a rollout in.", envelopeShape)
}

// again decodes the spec of a scenario that was written out.
func again(name string, root *document.Node) document.Problems {
	d := field.NewDecoder(name, root)
	var w written
	d.Object(scenarioShape, &w, root, "spec")
	return d.Problems
}
