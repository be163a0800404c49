package spec

import (
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Parse reads a file of models, policies and rollouts: YAML (or JSON, which is
// YAML) of one or several documents. name stands for the file in messages.
//
// The error is a Problems with all mistakes of the file, in its order. Warnings
// come also beside an error. What depends on documents that are elsewhere (a
// policy that only the server knows) is left to Resolve.
func Parse(name string, data []byte) (File, []Warning, error) {
	roots, problems := document.Read(name, data)
	if len(roots) == 0 && len(problems) == 0 {
		problems = Problems{{
			File: name, Line: 1, Column: 1, Message: "the file is empty",
			Hint: "write a document of kind Model, Policy or Rollout",
		}}
	}
	p := &fileParser{name: name, problems: problems}
	for _, root := range roots {
		p.document(root)
	}
	p.together()
	return p.file, sortWarnings(p.warnings), p.problems.Err()
}

// fileParser collects what the documents of a file say.
type fileParser struct {
	name     string
	file     File
	problems Problems
	warnings []Warning
	// presets says that the file is a preset, and may use its name.
	presets bool
	// broken are the documents with problems of their own.
	broken map[*Source]bool
}

// keep takes the problems of one document.
func (p *fileParser) keep(source *Source, read, checked Problems) {
	if len(read)+len(checked) > 0 {
		if p.broken == nil {
			p.broken = map[*Source]bool{}
		}
		p.broken[source] = true
	}
	p.problems = append(append(p.problems, read...), checked...)
}

// document reads one document into the file.
func (p *fileParser) document(root *document.Node) {
	d := field.NewDecoder(p.name, root)
	switch kind := kindOf(d, root); kind {
	case kindModel:
		if m, name, ok := decodeDocument[Model](d, modelDocument, root); ok {
			m.Name, m.Source = name, sourceOf(d)
			modelShape.Fill(m)
			p.keep(m.Source, d.Problems, checkModel(*m))
			p.file.Models = append(p.file.Models, *m)
			return
		}
	case kindPolicy:
		if y, name, ok := decodeDocument[Policy](d, policyDocument, root); ok {
			y.Name, y.Source = name, sourceOf(d)
			p.keep(y.Source, d.Problems, checkPolicy(*y, p.presets))
			p.file.Policies = append(p.file.Policies, *y)
			return
		}
	case kindRollout:
		if r, name, ok := decodeDocument[Rollout](d, rolloutDocument, root); ok {
			r.Name, r.Source = name, sourceOf(d)
			nameRollout(d, r)
			p.keep(r.Source, d.Problems, checkRollout(*r))
			p.file.Rollouts = append(p.file.Rollouts, *r)
			return
		}
	}
	p.problems = append(p.problems, d.Problems...)
}

// kindOf finds out what a document describes, or reports why it cannot.
func kindOf(d *field.Decoder, root *document.Node) string {
	const hint = "write kind: Model, kind: Policy or kind: Rollout"
	if root.Kind != document.Mapping {
		d.Report(root.At, "", "a document must be a mapping, this one is "+root.Kind.String(), "begin it with apiVersion: "+APIVersion)
		return ""
	}
	for _, e := range root.Entries {
		if e.Key == "kind" {
			kind, _ := field.Read(d, field.OneOf(kindModel, kindPolicy, kindRollout), e.Value, "kind")
			return kind
		}
	}
	d.Report(root.At, "kind", "it is missing", hint)
	return ""
}

// decodeDocument reads a document of a known kind. It reports false when there
// is no spec to speak of.
func decodeDocument[T any](d *field.Decoder, s *field.Shape, root *document.Node) (*T, string, bool) {
	e := &envelope[T]{}
	d.Object(s, e, root, "")
	name := ""
	if e.Metadata != nil {
		name = e.Metadata.Name
	}
	return e.Spec, name, e.Spec != nil
}

// sourceOf remembers where a decoder found its fields.
func sourceOf(d *field.Decoder) *Source { return &Source{Name: d.File, places: d.Places} }

// nameRollout gives a rollout without a name the name <model>-<version>.
func nameRollout(d *field.Decoder, r *Rollout) {
	if r.Name != "" || r.Source.wrote("metadata.name") || r.Model == "" || r.Candidate == nil || r.Candidate.Version == "" {
		return
	}
	name := RolloutName(r.Model, r.Candidate.Version)
	if !value.IsSubdomain(name) {
		d.Report(d.Places[""], "metadata.name", "no name can be made of the model and the version", "write one")
		return
	}
	r.Name = name
}

// RolloutName returns the name of a rollout that was given none: the model and
// the version with a dash between, and a dash for each sign that names lack.
func RolloutName(model, version string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, version)
	return model + "-" + strings.Trim(safe, "-.")
}

// wrote reports whether a path was written in the document.
func (s *Source) wrote(path string) bool {
	if s == nil {
		return false
	}
	_, ok := s.places[path]
	return ok
}
