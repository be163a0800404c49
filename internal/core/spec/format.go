package spec

import (
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// YAML writes documents in canonical form: models, policies, rollouts, each
// with the fields that are set, in the order of the table. Parse reads the same
// values back.
func (f File) YAML() []byte {
	var docs []string
	for _, m := range f.Models {
		docs = append(docs, m.out().YAML())
	}
	for _, p := range f.Policies {
		docs = append(docs, p.out().YAML())
	}
	for _, r := range f.Rollouts {
		docs = append(docs, r.out().YAML())
	}
	return []byte(strings.Join(docs, "---\n"))
}

// YAML writes the model as one document.
func (m Model) YAML() []byte { return []byte(m.out().YAML()) }

// YAML writes the policy as one document.
func (p Policy) YAML() []byte { return []byte(p.out().YAML()) }

// YAML writes the rollout as one document.
func (r Rollout) YAML() []byte { return []byte(r.out().YAML()) }

// MarshalJSON writes the model as a document in JSON, which Parse reads too.
func (m Model) MarshalJSON() ([]byte, error) { return m.out().JSON(), nil }

// MarshalJSON writes the policy as a document in JSON, which Parse reads too.
func (p Policy) MarshalJSON() ([]byte, error) { return p.out().JSON(), nil }

// MarshalJSON writes the rollout as a document in JSON, which Parse reads too.
func (r Rollout) MarshalJSON() ([]byte, error) { return r.out().JSON(), nil }

func (m Model) out() *document.Piece { return wrap(kindModel, m.Name, modelShape.Encode(&m)) }

func (p Policy) out() *document.Piece { return wrap(kindPolicy, p.Name, policyShape.Encode(&p)) }

func (r Rollout) out() *document.Piece { return wrap(kindRollout, r.Name, rolloutShape.Encode(&r)) }

// wrap puts the head of a document before its spec.
func wrap(kind, name string, spec *document.Piece) *document.Piece {
	word := func(s string) *document.Piece { return &document.Piece{Kind: document.Scalar, Text: s} }
	head := &document.Piece{Kind: document.Mapping, Inline: true}
	if name != "" {
		head.Keys, head.Values = []string{"name"}, []*document.Piece{word(name)}
	}
	return &document.Piece{
		Kind:   document.Mapping,
		Keys:   []string{"apiVersion", "kind", "metadata", "spec"},
		Values: []*document.Piece{word(APIVersion), word(kind), head, spec},
	}
}
