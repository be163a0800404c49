package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// maxExtends bounds the length of a chain of policies.
const maxExtends = 16

// flat is a plan with everything that it inherits, and where each part of it
// was written.
type flat struct {
	Plan
	parts map[string]part
}

// planShape walks the rows that policies and rollouts share.
var planShape = &field.Shape{Name: "plan", Fields: planFields}

// over lays a plan over what is there: objects field by field, lists as a whole.
func (f *flat) over(p Plan, source *Source) {
	if p.Stages != nil {
		f.Environments = nil
	}
	if p.Environments != nil {
		f.Stages = nil
	}
	planShape.Overlay(&f.Plan, &p, "", func(path string) {
		f.parts[path] = part{source, "spec." + path}
	})
}

// where returns the document and the path in it of a path of the plan such as
// "gates[1].from".
func (f *flat) where(path string) (*Source, string) { return find(f.parts, path) }

// find looks a path up by its longest beginning that is known.
func find(parts map[string]part, path string) (*Source, string) {
	for head := path; head != ""; {
		if p, ok := parts[head]; ok {
			return p.source, p.path + path[len(head):]
		}
		cut := strings.LastIndexAny(head, ".[")
		if cut < 0 {
			break
		}
		head = head[:cut]
	}
	return nil, "spec." + path
}

// lookup returns a policy: a preset, or one of the caller's.
func lookup(name string, policies func(string) (Policy, bool)) (Policy, bool) {
	if p, ok := Preset(name); ok {
		return p, true
	}
	if policies == nil {
		return Policy{}, false
	}
	return policies(name)
}

// chain returns a policy and all that it extends, itself first. source and path
// are where the name was written.
func chain(name string, source *Source, path string, policies func(string) (Policy, bool)) ([]Policy, Problems) {
	var list []Policy
	var names []string
	for name != "" {
		if slices.Contains(names, name) {
			return nil, Problems{source.Problem(path, "the policies extend each other in a circle: "+strings.Join(append(names, name), " > "),
				"let one of them extend a preset, or nothing")}
		}
		if len(names) == maxExtends {
			return nil, Problems{source.Problem(path, fmt.Sprintf("more than %d policies extend each other", maxExtends), "write a shorter chain")}
		}
		p, ok := lookup(name, policies)
		if !ok {
			return nil, Problems{unknownPolicy(name, source, path)}
		}
		list, names = append(list, p), append(names, name)
		name, source, path = p.Extends, p.Source, "spec.extends"
	}
	return list, nil
}

func unknownPolicy(name string, source *Source, path string) Problem {
	hint := "apply the policy first, or write one of " + strings.Join(presetNames, ", ")
	if near := value.Nearest(name, presetNames); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	return source.Problem(path, "no policy named "+value.Quote(name), hint)
}

// flatten lays a chain of policies over each other, the first on top.
func flatten(list []Policy) *flat {
	f := &flat{parts: map[string]part{}}
	for _, p := range slices.Backward(list) {
		f.over(p.Plan, p.Source)
	}
	return f
}
