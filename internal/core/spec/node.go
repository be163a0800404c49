package spec

// nodeKind is the shape of a piece of YAML.
type nodeKind int

const (
	nullNode nodeKind = iota
	scalarNode
	mappingNode
	sequenceNode
)

// String names the shape in the words of the messages.
func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a mapping (key: value)", "a list"}[k]
}

// node is a piece of YAML with its place, free of the parser it came from.
type node struct {
	kind nodeKind
	at   Position
	// text is a scalar as it was written, without its quotes.
	text string
	// quoted tells "10" from 10, and literal true and false are plain.
	quoted  bool
	entries []entry
	items   []*node
	// size counts the node and all below it, aliases as often as they are used.
	size int
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    Position
	value *node
}

// isBool reports whether the node is a plain true or false.
func (n *node) isBool() bool {
	return n.kind == scalarNode && !n.quoted && (n.text == "true" || n.text == "false")
}

// document is one document of a file.
type document struct {
	root   *node
	places map[string]Position
}
