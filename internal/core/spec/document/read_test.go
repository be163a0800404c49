package document_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/problem"
)

// read reads a file that must be good.
func read(t *testing.T, text string) []*document.Node {
	t.Helper()
	roots, problems := document.Read("f", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("%q: %v", text, problems)
	}
	return roots
}

// plain is what the only document of a text stands for, as JSON.
func plain(t *testing.T, text string) string {
	t.Helper()
	roots := read(t, text)
	if len(roots) != 1 {
		t.Fatalf("%q has %d documents", text, len(roots))
	}
	data, err := json.Marshal(roots[0].Plain())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: 1":                         `{"a":1}`,
		"a: 1.10":                      `{"a":"1.10"}`,
		"a: 010":                       `{"a":10}`,
		"a: '1'":                       `{"a":"1"}`,
		"a: true\nb: 'true'":           `{"a":true,"b":"true"}`,
		"a: yes\nb: ~\nc:":             `{"a":"yes","b":null,"c":null}`,
		"a: 10%\nb: 0.5pp":             `{"a":"10%","b":"0.5pp"}`,
		"- a\n- [b, c]\n- {d: e}":      `["a",["b","c"],{"d":"e"}]`,
		"a: |\n  b\n  c\n":             `{"a":"b\nc\n"}`,
		"a: \"b\\u00e9\\n\"":           `{"a":"bé\n"}`,
		"{\"a\": [1, true, null]}":     `{"a":[1,true,null]}`,
		"a: &x {b: c}\nd: *x":          `{"a":{"b":"c"},"d":{"b":"c"}}`,
		"a: &x [b]\nd: [*x, *x]":       `{"a":["b"],"d":[["b"],["b"]]}`,
		"1: a\ntrue: b":                `{"1":"a","true":"b"}`,
		"a: .nan":                      `{"a":".nan"}`,
		"a: 2024-01-01":                `{"a":"2024-01-01"}`,
		"{by: [header:X-Id]}":          `{"by":["header:X-Id"]}`,
		"{by: [a:b:c, http://h:80/x]}": `{"by":["a:b:c","http://h:80/x"]}`,
		"{by: [a: b, \"c\":1]}":        `{"by":[{"a":"b"},{"c":1}]}`,
		"by: [header:X-Id]":            `{"by":["header:X-Id"]}`,
		"url: http://localhost:9006":   `{"url":"http://localhost:9006"}`,
		"{url: http://localhost:9006}": `{"url":"http://localhost:9006"}`,
		"--- {a: b}":                   `{"a":"b"}`,
		"--- # comment\na: b":          `{"a":"b"}`,
	} {
		if got := plain(t, text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestPlacesAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	roots := read(t, "# first\na: b\n---\n\nü: {x: [1,\n  2]}\n...\n--- {z: 1}\n")
	if len(roots) != 3 {
		t.Fatalf("%d documents, want 3", len(roots))
	}
	at := func(line, column int) document.Position { return document.Position{Line: line, Column: column} }
	second := roots[1].Entries[0]
	for name, tt := range map[string]struct{ got, want document.Position }{
		"the first document":         {roots[0].At, at(2, 1)},
		"its value":                  {roots[0].Entries[0].Value.At, at(2, 4)},
		"a key of two bytes":         {second.At, at(5, 1)},
		"a mapping":                  {second.Value.At, at(5, 4)},
		"an item on the next line":   {second.Value.Entries[0].Value.Items[1].At, at(6, 3)},
		"a document beside its mark": {roots[2].Entries[0].At, at(8, 6)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is at %v, want %v", name, tt.got, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: 1\na: 2":         `f:2:1: the key "a" is written twice, first on line 1; keep one of them`,
		"a: {b: 1, b: 2}":    `f:1:11: the key "b" is written twice, first on line 1; keep one of them`,
		"a: !!int 1":         `f:1:4: the tag "!!int" is not needed; remove it`,
		"<<: {a: b}":         "f:1:1: merging with << is not supported; use an alias for the whole value, or `extends` between policies",
		"a: *b":              "f:1:4: the alias *b stands for nothing; write &b before the value it stands for",
		"a: &x [*x]":         "f:1:8: the alias *x stands for nothing; write &x before the value it stands for",
		"a: [":               "f:1:4: a [ is not closed; add ]",
		"a: b\n---\nc: 'd":   "f:3:4: a quote is not closed, or an escape in it is unknown; close it on the same line",
		"a:\n\tb: c":         "f:2:1: a tab is used for indentation; indent with spaces",
		"%YAML 1.2\n---\na:": "f:1:1: a % directive is not needed; remove it",
		"a: \x01":            "f:1:4: the file has a control character (U+0001); remove it",
		"a: \xff":            "f:1:4: the file is not UTF-8 text; save it as UTF-8",
		"a: b\u2028c":        "f:1:5: the file has a control character (U+2028); remove it",
	} {
		_, problems := document.Read("f", []byte(text))
		if problems.Error() != want {
			t.Errorf("%q: %v, want %s", text, problems, want)
		}
	}
}

func TestProblemsSayWhatTheyKnow(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]document.Problem{
		"a.yaml:3:4: spec.x: it is wrong; mend it": {File: "a.yaml", Line: 3, Column: 4, Path: "spec.x", Message: "it is wrong", Hint: "mend it"},
		"a.yaml: it is wrong":                      {File: "a.yaml", Message: "it is wrong"},
		"3:4: it is wrong":                         {Line: 3, Column: 4, Message: "it is wrong"},
		"spec.x: it is wrong; mend it":             {Path: "spec.x", Message: "it is wrong", Hint: "mend it"},
	} {
		if got := p.Error(); got != want || problem.CodeOf(p) != problem.Invalid {
			t.Errorf("%+v says %q (%s), want %q", p, got, problem.CodeOf(p), want)
		}
	}
	list := document.Problems{{Line: 2, Message: "b"}, {Line: 1, Message: "a"}, {Line: 2, Message: "b"}}
	if got := list.Err().Error(); got != "1:0: a\n2:0: b" || problem.CodeOf(list.Err()) != problem.Invalid {
		t.Errorf("the list says %q", got)
	}
	if err := (document.Problems{}).Err(); err != nil {
		t.Errorf("no problems are %v", err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	if got := document.Join(document.Index(document.Join("", "stages"), 2), "min-samples"); got != "stages[2].min-samples" {
		t.Errorf("path = %s", got)
	}
	if got := document.Join("a", "b c\n"); got != `a."b c\n"` {
		t.Errorf("a key that is no word: %s", got)
	}
}

// pieces draws trees as they are written.
func pieces(depth int) *rapid.Generator[*document.Piece] {
	return rapid.Custom(func(t *rapid.T) *document.Piece {
		kind := rapid.SampledFrom([]document.Kind{document.Scalar, document.Scalar, document.Mapping, document.Sequence}).Draw(t, "kind")
		p := &document.Piece{Kind: kind, Inline: rapid.Bool().Draw(t, "inline")}
		switch {
		case kind == document.Scalar || depth == 0:
			p.Kind = document.Scalar
			p.Text = rapid.OneOf(rapid.StringMatching(`[ -~äπ"'\\\t\n]{0,12}`), rapid.StringMatching(`[0-9a-z.:%/+-]{0,8}`),
				rapid.SampledFrom([]string{"", "true", "no", "null", "~", "0x1", "1e3", "-", "- a", "a: b", "#", "a #b", "*a", "&a", "!a", "|", ">", "@a", "`", "{}", "[", "1_0", "2024-01-01", "12:30", ".inf", "---", "..."})).Draw(t, "text")
		case kind == document.Mapping:
			p.Keys = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-zA-Z]{0,6}`), 0, 3, func(s string) string { return s }).Draw(t, "keys")
			for range p.Keys {
				p.Values = append(p.Values, pieces(depth-1).Draw(t, "value"))
			}
		default:
			p.Values = rapid.SliceOfN(pieces(depth-1), 0, 3).Draw(t, "items")
		}
		return p
	})
}

// TestWhatIsWrittenIsReadBack writes trees as YAML and as JSON.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &document.Piece{Kind: document.Mapping, Keys: []string{"a", "b"}, Values: []*document.Piece{pieces(3).Draw(t, "a"), pieces(3).Draw(t, "b")}}
		want := plainOf(p)
		for _, text := range []string{p.YAML(), string(p.JSON())} {
			roots, problems := document.Read("f", []byte(text))
			if len(problems) > 0 || len(roots) != 1 {
				t.Fatalf("%v in\n%s", problems, text)
			}
			if diff := cmp.Diff(want, roots[0].Plain()); diff != "" {
				t.Fatalf("(-want +got)\n%s\nin\n%s", diff, text)
			}
		}
	})
}

func plainOf(p *document.Piece) any {
	switch p.Kind {
	case document.Mapping:
		m := map[string]any{}
		for i, k := range p.Keys {
			m[k] = plainOf(p.Values[i])
		}
		return m
	case document.Sequence:
		list := make([]any, len(p.Values))
		for i, v := range p.Values {
			list[i] = plainOf(v)
		}
		return list
	default:
		return p.Text
	}
}

// FuzzRead shows that no bytes break the reader, and that problems have places.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"a: b", "{a: [b:c]}", "a: &x [*x]", "a: |\n  b", "? a", "<<: a", "\"\\x\"", "- - -", "---\n...", "a:\n\t- b", "!a b", "%A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roots, problems := document.Read("f", data)
		for _, p := range problems {
			if p.Message == "" || p.Hint == "" || p.Line == 0 && !strings.HasPrefix(p.Message, "the file has ") {
				t.Errorf("a problem without a place or a word: %+v", p)
			}
		}
		for _, r := range roots {
			r.Plain()
		}
	})
}

// harmless files are read, if only with nothing in them.
var harmless = map[string]bool{"many documents": true, "many comments": true, "many blanks": true, "spaces before a value": true}

// TestHostileFilesAreRefusedQuickly feeds the parser what is cheap to write and
// dear to read, at a quarter of the size that is allowed. All of it must be
// answered within seconds on a slow machine.
func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	const size = 1 << 18
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, text := range map[string]string{
		"flow lists in flow lists":     fill("["),
		"flow maps in flow maps":       fill("{a: "),
		"a flow list of words":         "a: [" + fill("a,")[:size-10] + "]",
		"block lists in block lists":   fill("- "),
		"keys in keys":                 fill("? "),
		"many keys":                    fill("abc: d\n"),
		"many list items":              fill("- a\n"),
		"many anchors":                 fill("- &a\n"),
		"many aliases":                 "a: &a x\nb: [" + fill("*a,")[:size-20] + "]",
		"many tags":                    fill("!a "),
		"many documents":               fill("---\n"),
		"many full documents":          fill("---\na: b\n"),
		"many comments":                fill("#\n"),
		"many blanks":                  fill("\n"),
		"spaces before a value":        "a:" + fill(" ")[:size-3] + "b",
		"colons":                       fill(":"),
		"quotes":                       fill("'"),
		"double quotes":                fill("\"\\n\" "),
		"an open quote":                "a: \"" + fill("a\\n")[:size-10],
		"a long word":                  "a: " + fill("b")[:size-3],
		"a long key":                   fill("k")[:size-3] + ": b",
		"a long literal":               "a: |\n" + fill("  a\n")[:size-10],
		"a folded plain text":          "a: " + fill("b\n  ")[:size-10],
		"deep indentation":             indented(1400),
		"percents":                     fill("%"),
		"dashes":                       fill("-"),
		"carriage returns":             fill("a: b\r"),
		"one byte too many":            strings.Repeat("#", 4*size+1),
		"a long key over many entries": strings.Repeat("k", 100_000) + ":\n" + strings.Repeat("  - a\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, problems := document.Read("f", []byte(text))
			if len(problems) == 0 && !harmless[name] {
				t.Error("it is taken")
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// indented nests keys as deep as a file of this size allows.
func indented(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestFilesAreBounded(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"f: the file has 1048577 bytes, more than 1048576; split it into several files":    strings.Repeat("#", 1<<20+1),
		"f: the file has 65 documents, more than 64; split it into several files":          strings.Repeat("---\na: b\n", 65),
		"f:1:1: the file has more than 20000 words and signs; split it into several files": strings.Repeat("- a\n", 20_000),
		"f:1:4: a value is longer than 65536 bytes; shorten it":                            "a: " + strings.Repeat("b", 65_537),
		"f:1:1: a key is longer than 128 characters; check the indentation and the quotes": strings.Repeat("k", 129) + ": b",
	} {
		_, problems := document.Read("f", []byte(text))
		if problems.Error() != want {
			t.Errorf("Read says %.200v, want %s", problems, want)
		}
	}
	for title, text := range map[string]string{
		"a long file of comments":      strings.Repeat("# a comment\n", 80_000) + "---\na: b\n",
		"as many documents as allowed": strings.Repeat("---\na: b\n", 64),
		"as deep as allowed":           strings.Repeat("[", 15) + "a" + strings.Repeat("]", 15),
	} {
		if roots, problems := document.Read("f", []byte(text)); len(problems) > 0 || len(roots) == 0 {
			t.Errorf("%s: %v", title, problems)
		}
	}
}
