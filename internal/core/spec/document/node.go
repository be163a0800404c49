package document

import "strconv"

// Kind is the shape of a piece of YAML.
type Kind int

const (
	// Null is nothing: a key without a value, ~ or null.
	Null Kind = iota
	// Scalar is a single value.
	Scalar
	// Mapping is keys with values.
	Mapping
	// Sequence is a list.
	Sequence
)

// String names the shape in the words of the messages.
func (k Kind) String() string {
	return [...]string{Null: "nothing", Scalar: "a single value", Mapping: "a mapping (key: value)", Sequence: "a list"}[k]
}

// Node is a piece of YAML with its place, free of the parser it came from.
type Node struct {
	Kind Kind
	At   Position
	// Text is a scalar as it was written, without its quotes.
	Text string
	// Quoted tells "10" from 10, and literal true and false are plain.
	Quoted  bool
	Entries []Entry
	Items   []*Node
	// size counts the node and all below it, aliases as often as they are used.
	size int
}

// Entry is one key of a mapping with its value.
type Entry struct {
	Key   string
	At    Position
	Value *Node
}

// IsBool reports whether the node is a plain true or false.
func (n *Node) IsBool() bool {
	return n.Kind == Scalar && !n.Quoted && (n.Text == "true" || n.Text == "false")
}

// Plain returns what a node stands for in JSON.
func (n *Node) Plain() any {
	switch n.Kind {
	case Mapping:
		m := map[string]any{}
		for _, e := range n.Entries {
			m[e.Key] = e.Value.Plain()
		}
		return m
	case Sequence:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Plain()
		}
		return list
	case Scalar:
		if n.IsBool() {
			return n.Text == "true"
		}
		if v, err := strconv.ParseInt(n.Text, 10, 64); err == nil && !n.Quoted {
			return v
		}
		return n.Text
	case Null:
	}
	return nil
}
