package spec

import (
	"bytes"
	"strings"
)

// YAML writes documents in canonical form: models, policies, rollouts, each
// with the fields that are set, in the order of the table. Parse reads the same
// values back.
func (f File) YAML() []byte {
	var docs []string
	for _, m := range f.Models {
		docs = append(docs, m.out().yaml())
	}
	for _, p := range f.Policies {
		docs = append(docs, p.out().yaml())
	}
	for _, r := range f.Rollouts {
		docs = append(docs, r.out().yaml())
	}
	return []byte(strings.Join(docs, "---\n"))
}

// YAML writes the model as one document.
func (m Model) YAML() []byte { return []byte(m.out().yaml()) }

// YAML writes the policy as one document.
func (p Policy) YAML() []byte { return []byte(p.out().yaml()) }

// YAML writes the rollout as one document.
func (r Rollout) YAML() []byte { return []byte(r.out().yaml()) }

// MarshalJSON writes the model as a document in JSON, which Parse reads too.
func (m Model) MarshalJSON() ([]byte, error) { return m.out().asJSON(), nil }

// MarshalJSON writes the policy as a document in JSON, which Parse reads too.
func (p Policy) MarshalJSON() ([]byte, error) { return p.out().asJSON(), nil }

// MarshalJSON writes the rollout as a document in JSON, which Parse reads too.
func (r Rollout) MarshalJSON() ([]byte, error) { return r.out().asJSON(), nil }

func (m Model) out() *out { return wrap(kindModel, m.Name, modelShape.encode(&m)) }

func (p Policy) out() *out { return wrap(kindPolicy, p.Name, policyShape.encode(&p)) }

func (r Rollout) out() *out { return wrap(kindRollout, r.Name, rolloutShape.encode(&r)) }

// wrap puts the head of a document before its spec.
func wrap(kind, name string, spec *out) *out {
	word := func(s string) *out { return &out{kind: scalarNode, text: s} }
	head := &out{kind: mappingNode, inline: true}
	if name != "" {
		head.keys, head.values = []string{"name"}, []*out{word(name)}
	}
	return &out{
		kind:   mappingNode,
		keys:   []string{"apiVersion", "kind", "metadata", "spec"},
		values: []*out{word(APIVersion), word(kind), head, spec},
	}
}

func (o *out) yaml() string {
	var b strings.Builder
	o.block(&b, "")
	return b.String()
}

func (o *out) asJSON() []byte {
	var b bytes.Buffer
	o.json(&b)
	return b.Bytes()
}
