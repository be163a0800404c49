package document

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// The bounds of a file. They hold before the parser runs, because its time and
// memory grow faster than the file in the worst case.
const (
	maxBytes     = 1 << 20
	maxDocuments = 64
	maxTokens    = 20_000
	maxDepth     = 16
	maxNodes     = 10_000
	maxKeyChars  = 128
	maxTextBytes = 64 << 10
)

// chunk is the text of one document and the number of lines before it.
type chunk struct {
	body   string
	before int
}

// Read reads the documents of a file. Documents that are empty are left
// out; a broken document is a problem and does not hide the others.
func Read(name string, data []byte) ([]*Node, Problems) {
	text, problems := checkText(name, data)
	if problems != nil {
		return nil, problems
	}
	chunks := splitDocuments(text)
	if len(chunks) > maxDocuments {
		return nil, Problems{{
			File: name, Message: fmt.Sprintf("the file has %d documents, more than %d", len(chunks), maxDocuments),
			Hint: "split it into several files",
		}}
	}
	var roots []*Node
	tokens, size := 0, 0
	for _, c := range chunks {
		r := reader{file: name, before: c.before, anchors: map[string]*Node{}, tokens: &tokens, nodes: &size}
		root := r.read(c.body)
		problems = append(problems, r.problems...)
		if root != nil && root.Kind != Null {
			roots = append(roots, root)
		}
		if tokens > maxTokens || size > maxNodes {
			return nil, problems
		}
	}
	return roots, problems
}

// checkText refuses what cannot be a text file, and drops a byte order mark.
func checkText(name string, data []byte) (string, Problems) {
	refuse := func(at Position, message, hint string) (string, Problems) {
		return "", Problems{{File: name, Line: at.Line, Column: at.Column, Message: message, Hint: hint}}
	}
	if len(data) > maxBytes {
		return refuse(Position{}, fmt.Sprintf("the file has %d bytes, more than %d", len(data), maxBytes), "split it into several files")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	line, column := 1, 0
	for _, r := range text {
		column++
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r == utf8.RuneError:
			return refuse(Position{line, column}, "the file is not UTF-8 text", "save it as UTF-8")
		case r < ' ' && r != '\t' && r != '\r' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029:
			return refuse(Position{line, column}, fmt.Sprintf("the file has a control character (%U)", r), "remove it")
		}
	}
	return text, nil
}

// splitDocuments cuts a file at the lines that start with --- or are "...". YAML
// allows neither inside a value, so that a broken document ends there too.
func splitDocuments(text string) []chunk {
	var chunks []chunk
	var b strings.Builder
	start, number := 0, 0
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\r\n")
		opens := bare == "---" || strings.HasPrefix(bare, "--- ") || strings.HasPrefix(bare, "---\t")
		if opens || bare == "..." {
			chunks = append(chunks, chunk{b.String(), start})
			b.Reset()
			start = number
			line = "   " + line[3:]
		}
		b.WriteString(line)
		number++
	}
	chunks = append(chunks, chunk{b.String(), start})
	kept := chunks[:0]
	for _, c := range chunks {
		if strings.TrimSpace(c.body) != "" {
			kept = append(kept, c)
		}
	}
	return kept
}

// reader turns one document into nodes.
type reader struct {
	file     string
	before   int
	anchors  map[string]*Node
	tokens   *int
	nodes    *int
	problems Problems
}

func (r *reader) place(tk *token.Token) Position {
	if tk == nil || tk.Position == nil {
		return Position{Line: r.before + 1, Column: 1}
	}
	return Position{Line: r.before + max(1, tk.Position.Line), Column: max(1, tk.Position.Column)}
}

func (r *reader) report(at Position, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// read returns the root of a document, or nil when there is none or it is broken.
func (r *reader) read(text string) (root *Node) {
	defer func() {
		if recover() != nil { // The parser is not ours; a file must never stop the server.
			r.report(Position{r.before + 1, 1}, "write it more simply", "the document cannot be read as YAML")
			root = nil
		}
	}()
	tokens := lexer.Tokenize(text)
	if !r.bounded(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if n := r.convert(doc.Body, 0); root == nil {
			root = n
		}
	}
	if len(r.problems) > 0 {
		return nil
	}
	return root
}

// bounded refuses documents that would cost the parser too much.
func (r *reader) bounded(tokens token.Tokens) bool {
	for _, tk := range tokens {
		if tk.Type != token.CommentType {
			*r.tokens++
		}
	}
	if *r.tokens > maxTokens {
		r.report(Position{r.before + 1, 1}, "split it into several files", "the file has more than %d words and signs", maxTokens)
		return false
	}
	var columns []int
	flow := 0
	for i, tk := range tokens {
		if len(tk.Value) > maxTextBytes {
			r.report(r.place(tk), "shorten it", "a value is longer than %d bytes", maxTextBytes)
			return false
		}
		column := tk.Position.Column
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingValueType:
			if i > 0 && len(tokens[i-1].Value) > maxKeyChars {
				r.report(r.place(tokens[i-1]), "check the indentation and the quotes", "a key is longer than %d characters", maxKeyChars)
				return false
			}
			if i > 0 {
				column = tokens[i-1].Position.Column
			}
			columns = nested(columns, column, flow)
		case token.SequenceEntryType, token.MappingKeyType:
			columns = nested(columns, column, flow)
		default: // The others nest nothing.
		}
		if len(columns)+max(0, flow) > maxDepth {
			r.report(r.place(tk), "check the brackets and the indentation", "the document is nested deeper than %d levels", maxDepth)
			return false
		}
	}
	return true
}

// nested returns the columns at which blocks are open after one opens at column.
func nested(columns []int, column, flow int) []int {
	if flow > 0 {
		return columns
	}
	for len(columns) > 0 && columns[len(columns)-1] >= column {
		columns = columns[:len(columns)-1]
	}
	return append(columns, column)
}

// syntax reports what the parser could not read, in plainer words.
func (r *reader) syntax(err error) {
	var se *yaml.SyntaxError
	if !errors.As(err, &se) {
		r.report(Position{r.before + 1, 1}, "check the indentation and the quotes", "the document cannot be read as YAML")
		return
	}
	message, hint := plainSyntax(se.Message)
	r.report(r.place(se.Token), hint, "%s", message)
}

// plainSyntax translates the parser's commonest messages.
func plainSyntax(message string) (plain, hint string) {
	for _, t := range []struct{ part, plain, hint string }{
		{"character '\t'", "a tab is used for indentation", "indent with spaces"},
		{"mapping value is not allowed", "a `key: value` pair is not allowed here", "check the indentation, and quote values that contain `: `"},
		{"block sequence entries are not allowed", "a list item is not allowed here", "put `- ` on a line of its own below the key"},
		{"value is not allowed in this context", "a value is not allowed here", "check the indentation and the brackets"},
		{"sequence end token", "a [ is not closed", "add ]"},
		{"mapping end token", "a { is not closed", "add }"},
		{"corresponding to ']'", "a ] closes nothing", "remove it"},
		{"corresponding to '}'", "a } closes nothing", "remove it"},
		{"',' or ']'", "a list item is not followed by , or ]", "add what is missing"},
		{"',' or '}'", "a pair is not followed by , or }", "add what is missing"},
		{"end character of", "a quote is not closed, or an escape in it is unknown", "close it on the same line"},
		{"is a reserved character", "a value starts with a character that YAML reserves", "put the value between quotes"},
		{"directive", "a % directive is not needed", "remove it"},
		{"invalid key", "a key must be a single word", "write `key: value`"},
		{"non-map value", "a line is neither `key: value` nor a list item", "check for a missing colon or wrong indentation"},
		{"unexpected key name", "a line is neither `key: value` nor a list item", "check for a missing colon or wrong indentation"},
	} {
		if strings.Contains(message, t.part) {
			return t.plain, t.hint
		}
	}
	return "the YAML is broken: " + message, "check the indentation and the quotes"
}

// convert turns the parser's tree into nodes.
func (r *reader) convert(n ast.Node, depth int) *Node {
	out := &Node{Kind: Null, size: 1, At: Position{Line: r.before + 1, Column: 1}}
	*r.nodes++
	switch {
	case *r.nodes > maxNodes:
		r.tooMany(out.At)
		return out
	case n == nil || depth > 4*maxDepth:
		return out
	}
	out.At = r.place(n.GetToken())
	switch x := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		r.mapping(out, x, depth)
	case *ast.SequenceNode:
		out.Kind = Sequence
		for _, v := range x.Values {
			if word, ok := r.colonWord(x, v); ok {
				*r.nodes++
				out.add(word)
				continue
			}
			out.add(r.convert(v, depth+1))
		}
	case *ast.LiteralNode:
		out.Kind, out.Quoted, out.Text = Scalar, true, x.Value.Value
	case *ast.AnchorNode:
		return r.anchor(x, depth)
	case *ast.AliasNode:
		return r.alias(x)
	case *ast.TagNode:
		r.report(out.At, "remove it", "the tag %s is not needed", value.Quote(x.Start.Value))
	case *ast.DirectiveNode:
		r.report(out.At, "remove it", "a %% directive is not needed")
	case *ast.StringNode:
		out.Kind, out.Text = Scalar, x.Value
		out.Quoted = x.Token.Type == token.DoubleQuoteType || x.Token.Type == token.SingleQuoteType
	default:
		out.Kind, out.Text = Scalar, n.GetToken().Value
	}
	return out
}

// colonWord mends what the parser takes apart: inside { } it reads the item
// header:X-Country of a list as a mapping, where YAML has a single word because
// no space follows the colon.
func (r *reader) colonWord(list *ast.SequenceNode, item ast.Node) (*Node, bool) {
	m, ok := item.(*ast.MappingNode)
	if !ok || !list.IsFlowStyle || m.IsFlowStyle || len(m.Values) != 1 {
		return nil, false
	}
	key, isText := m.Values[0].Key.(*ast.StringNode)
	value, isScalar := m.Values[0].Value.(ast.ScalarNode)
	if !isText || !isScalar || key.Token.Type != token.StringType {
		return nil, false
	}
	colon, after := m.Values[0].Start, value.GetToken()
	if after.Position.Line != colon.Position.Line || after.Position.Column != colon.Position.Column+1 || after.Type == token.DoubleQuoteType || after.Type == token.SingleQuoteType {
		return nil, false
	}
	return &Node{Kind: Scalar, size: 1, At: r.place(key.Token), Text: key.Value + ":" + after.Value}, true
}

func (n *Node) add(item *Node) {
	n.Items = append(n.Items, item)
	n.size += item.size
}

func (r *reader) tooMany(at Position) {
	if *r.nodes == maxNodes+1 {
		r.report(at, "split it into several files", "the file has more than %d values, aliases counted", maxNodes)
	}
}

// mapping reads the keys of a mapping; the second of two equal keys is a problem.
func (r *reader) mapping(out *Node, x *ast.MappingNode, depth int) {
	out.Kind = Mapping
	first := map[string]int{}
	for i, pair := range x.Values {
		at := r.place(pair.Key.GetToken())
		if i == 0 && !x.IsFlowStyle {
			out.At = at
		}
		key, ok := r.key(pair.Key, at)
		if !ok {
			continue
		}
		if line, twice := first[key]; twice {
			r.report(at, "keep one of them", "the key %s is written twice, first on line %d", value.Quote(key), line)
			continue
		}
		first[key] = at.Line
		value := r.convert(pair.Value, depth+1)
		out.Entries = append(out.Entries, Entry{key, at, value})
		out.size += value.size
	}
}

// key reads a key, which must be a plain or quoted word.
func (r *reader) key(k ast.MapKeyNode, at Position) (string, bool) {
	switch x := k.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.MergeKeyNode:
		r.report(at, "use an alias for the whole value, or `extends` between policies", "merging with << is not supported")
		return "", false
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	r.report(at, "write `key: value`", "a key must be a single word")
	return "", false
}

// anchor reads a value that aliases may repeat.
func (r *reader) anchor(x *ast.AnchorNode, depth int) *Node {
	n := r.convert(x.Value, depth+1)
	if x.Name != nil {
		r.anchors[x.Name.GetToken().Value] = n
	}
	return n
}

// alias returns the value of an anchor. The sizes of what it repeats are
// counted before anything walks it, so that aliases of aliases cannot explode.
func (r *reader) alias(x *ast.AliasNode) *Node {
	at := r.place(x.Start)
	missing := &Node{Kind: Null, At: at, size: 1}
	if x.Value == nil {
		return missing
	}
	name := x.Value.GetToken().Value
	value, ok := r.anchors[name]
	if !ok {
		r.report(at, "write &"+name+" before the value it stands for", "the alias *%s stands for nothing", name)
		return missing
	}
	if *r.nodes+value.size > maxNodes {
		*r.nodes = maxNodes + 1
		r.tooMany(at)
		return missing
	}
	*r.nodes += value.size
	return value
}
