package spec

import (
	"embed"
	"slices"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// presetNames are the policies that are always there.
var presetNames = []string{"fast", "standard", "cautious"}

// DefaultPolicy is the policy of a rollout that names none.
const DefaultPolicy = "standard"

func isPreset(name string) bool { return slices.Contains(presetNames, name) }

// presetCache holds the presets once they have been read. They are written in
// the same format as the users' files and read by the same parser.
var presetCache struct {
	once     sync.Once
	policies []Policy
}

// Presets returns the policies that are always there, the fastest first.
func Presets() []Policy {
	presetCache.once.Do(func() {
		for _, name := range presetNames {
			presetCache.policies = append(presetCache.policies, readPreset(name))
		}
	})
	return slices.Clone(presetCache.policies)
}

// readPreset reads one preset. A test proves that all of them can be read.
func readPreset(name string) Policy {
	data, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		panic("spec: preset " + name + ": " + err.Error())
	}
	p := &fileParser{name: "preset " + name, presets: true}
	roots, problems := document.Read(p.name, data)
	for _, root := range roots {
		p.document(root)
	}
	if err := append(problems, p.problems...).Err(); err != nil || len(p.file.Policies) != 1 {
		panic("spec: preset " + name + ": " + err.Error())
	}
	policy := p.file.Policies[0]
	policy.Source.preset = true
	return policy
}

// Preset returns the preset of a name.
func Preset(name string) (Policy, bool) {
	if i := slices.Index(presetNames, name); i >= 0 {
		return Presets()[i], true
	}
	return Policy{}, false
}
