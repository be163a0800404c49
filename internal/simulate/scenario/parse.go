package scenario

import (
	"fmt"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

const apiVersion = spec.APIVersion

// written is a document as it was written; nil parts come from what it extends.
type written struct {
	Extends  string
	About    string
	Traffic  *Traffic
	Baseline *writtenBehaviour
	Effects  []Effect
}

// writtenBehaviour is a behaviour of which the latency may be left out.
type writtenBehaviour struct {
	Behaviour
	Latency *Latency
}

// Parse reads a file of scenarios. name stands for the file in messages. The
// error is a document.Problems with all mistakes of the file.
func Parse(name string, data []byte) ([]Scenario, error) {
	p, err := read(name, data)
	if err != nil {
		return nil, err
	}
	return p.resolve(builtins())
}

// parser holds what the documents of a file say.
type parser struct {
	file     string
	names    []string
	docs     []written
	decoders []*field.Decoder
	problems document.Problems
}

func read(name string, data []byte) (*parser, error) {
	roots, problems := document.Read(name, data)
	p := &parser{file: name, problems: problems}
	if len(roots) == 0 && len(problems) == 0 {
		p.problems = document.Problems{{File: name, Line: 1, Column: 1, Message: "the file is empty", Hint: "write a document of kind Scenario"}}
	}
	for _, root := range roots {
		p.document(root)
	}
	return p, p.problems.Err()
}

func (p *parser) document(root *document.Node) {
	d := field.NewDecoder(p.file, root)
	var e envelope
	d.Object(envelopeShape, &e, root, "")
	p.problems = append(p.problems, d.Problems...)
	if e.Spec == nil || e.Metadata == nil {
		return
	}
	if slices.Contains(p.names, e.Metadata.Name) {
		d.Problems = nil
		d.Report(root.At, "metadata.name", fmt.Sprintf("there are two scenarios with the name %s", value.Quote(e.Metadata.Name)), "keep one of them, or rename it")
		p.problems = append(p.problems, d.Problems...)
		return
	}
	p.names, p.docs, p.decoders = append(p.names, e.Metadata.Name), append(p.docs, *e.Spec), append(p.decoders, d)
}

// resolve lays each document over what it extends. A scenario of the file stands
// before one that is always there.
func (p *parser) resolve(known []Scenario) ([]Scenario, error) {
	out := make([]Scenario, 0, len(p.docs))
	for i := range p.docs {
		full, ok := p.full(i, known, 0)
		if !ok {
			continue
		}
		s := full.scenario(p.names[i])
		p.decoders[i].Problems = nil
		for _, m := range s.mistakes() {
			p.decoders[i].Report(p.at(i, m.path), m.path, m.message, m.hint)
		}
		p.problems = append(p.problems, p.decoders[i].Problems...)
		out = append(out, s)
	}
	if err := p.problems.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// at finds the place of a path, or of the nearest part around it.
func (p *parser) at(i int, path string) document.Position {
	for ; path != ""; path = around(path) {
		if at, ok := p.decoders[i].Places[path]; ok {
			return at
		}
	}
	return p.decoders[i].Places[""]
}

// around cuts the last part off a path.
func around(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// full is a document with all that it extends.
func (p *parser) full(i int, known []Scenario, depth int) (written, bool) {
	w := p.docs[i]
	if w.Extends == "" {
		return w, true
	}
	complain := func(message, hint string) {
		d := p.decoders[i]
		d.Problems = nil
		d.Report(p.at(i, "spec.extends"), "spec.extends", message, hint)
		p.problems = append(p.problems, d.Problems...)
	}
	var below written
	if j := slices.Index(p.names, w.Extends); j >= 0 {
		if depth >= len(p.docs) {
			complain("the scenarios extend each other in a circle", "let one of them extend nothing")
			return written{}, false
		}
		var ok bool
		if below, ok = p.full(j, known, depth+1); !ok {
			return written{}, false
		}
	} else {
		k := slices.IndexFunc(known, func(s Scenario) bool { return s.Name == w.Extends })
		if k < 0 {
			names := append(slices.Clone(p.names), namesOf(known)...)
			hint := "write one of this file, or one of " + value.OrList(namesOf(known))
			if near := value.Nearest(w.Extends, names); near != "" {
				hint = "did you mean " + value.Quote(near) + "?"
			}
			complain(fmt.Sprintf("there is no scenario named %s", value.Quote(w.Extends)), hint)
			return written{}, false
		}
		below = writtenOf(known[k])
	}
	if w.Effects != nil {
		below.About = "" // It told of other effects.
	}
	scenarioShape.Overlay(&below, &w, "", func(string) {})
	return below, true
}

// writtenOf is a scenario as it would have been written.
func writtenOf(s Scenario) written {
	return written{About: s.About, Traffic: &s.Traffic, Baseline: &writtenBehaviour{s.Baseline, &s.Baseline.Latency}, Effects: s.Effects}
}

// scenario fills what is left out.
func (w written) scenario(name string) Scenario {
	s := Scenario{Name: name, About: w.About, Effects: slices.Clone(w.Effects)}
	if w.Traffic != nil {
		s.Traffic = *w.Traffic
	}
	if w.Baseline != nil {
		s.Baseline = w.Baseline.Behaviour
		if w.Baseline.Latency != nil {
			s.Baseline.Latency = *w.Baseline.Latency
		}
	}
	return s.Filled()
}

// Filled returns the scenario with the defaults of what is left at zero. It shares
// nothing with the receiver.
func (s Scenario) Filled() Scenario {
	trafficShape.Fill(&s.Traffic)
	s.Traffic.Daily = filled(dailyShape, s.Traffic.Daily)
	s.Traffic.Bursts = filled(burstsShape, s.Traffic.Bursts)
	s.Traffic.Users = filled(usersShape, s.Traffic.Users)
	latencyShape.Fill(&s.Baseline.Latency)
	s.Baseline.Outcomes = filledAll(outcomeShape, s.Baseline.Outcomes)
	s.Baseline.Gauges = filledAll(gaugeShape, s.Baseline.Gauges)
	s.Baseline.Scores = slices.Clone(s.Baseline.Scores)
	s.Traffic.Segments = slices.Clone(s.Traffic.Segments)
	s.Effects = filledAll(effectShape, s.Effects)
	for i := range s.Effects {
		s.Effects[i].Outcomes = slices.Clone(s.Effects[i].Outcomes)
	}
	return s
}

func filled[T any](shape *field.Shape, v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	shape.Fill(&c)
	return &c
}

func filledAll[T any](shape *field.Shape, list []T) []T {
	list = slices.Clone(list)
	for i := range list {
		shape.Fill(&list[i])
	}
	return list
}
