package protocol

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// reference reads outputs as encoding/json would: out of the whole document.
func reference(p table.Protocol, list []evidence.Output, body []byte) []string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil {
		return nil
	}
	out := make([]string, len(list))
	for i, o := range list {
		var found []string
		switch {
		case strings.HasPrefix(o.Name, "/"):
			if v, ok := pointed(doc, strings.Split(o.Name[1:], "/")); ok {
				found = values(v, o, true)
			}
		case p == table.V2:
			found = tensorOf(doc, o)
		}
		if len(found) == 0 {
			found = []string{"-"}
		}
		out[i] = strings.Join(found[:min(len(found), evidence.MaxReadings)], " ")
	}
	return out
}

// pointed follows a JSON Pointer.
func pointed(doc any, parts []string) (any, bool) {
	for _, part := range parts {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")]
			if !ok {
				return nil, false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != part {
				return nil, false
			}
			doc = v[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// tensorOf finds the first output tensor of a name that has data.
func tensorOf(doc any, o evidence.Output) []string {
	object, _ := doc.(map[string]any)
	list, _ := object["outputs"].([]any)
	for _, item := range list {
		tensor, _ := item.(map[string]any)
		data, has := tensor["data"]
		if name, ok := tensor["name"].(string); !ok || name != o.Name || !has {
			continue
		}
		if parameters, ok := tensor["parameters"].(map[string]any); ok {
			if size, ok := parameters["binary_data_size"].(json.Number); ok {
				if n, err := strconv.ParseInt(string(size), 10, 64); err == nil && n > 0 {
					continue
				}
			}
		}
		if found := values(data, o, true); len(found) > 0 {
			return found
		}
	}
	return nil
}

// values spells what a value is: itself, or all that is in a list.
func values(v any, o evidence.Output, top bool) []string {
	switch x := v.(type) {
	case []any:
		var out []string
		for _, item := range x {
			out = append(out, values(item, o, false)...)
		}
		return out
	case json.Number:
		return []string{spelledValue(string(x), false, o)}
	case string:
		return []string{spelledValue(x, true, o)}
	case bool:
		text := "0"
		if x {
			text = "1"
		}
		for _, c := range o.Classes {
			if c.Text == strconv.FormatBool(x) {
				text += "=" + c.Text
			}
		}
		return []string{text}
	}
	return []string{"-"}
}

// spelledValue spells a number, or a text that may be one.
func spelledValue(text string, quoted bool, o evidence.Output) string {
	v, err := strconv.ParseFloat(text, 64)
	number := err == nil && json.Valid([]byte(text))
	out := "-"
	switch {
	case number:
		out = strconv.FormatFloat(v, 'g', -1, 64)
		if len(out) > 0 {
			out = strings.Join(spelled([]evidence.Output{{}}, []evidence.Reading{{Kind: evidence.Number, Value: v}}), "")
		}
	case quoted:
		out = hashed(text[:min(len(text), maxText)])
	default:
		return out
	}
	for _, c := range o.Classes {
		w, err := strconv.ParseFloat(c.Text, 64)
		if c.Text == text || number && err == nil && json.Valid([]byte(c.Text)) && w == v {
			out += "=" + c.Text
		}
	}
	return out
}

// asked are outputs that random documents may have.
func asked() []evidence.Output {
	return names("y#1,fraud,true", "a", "/a", "/a/0", "/outputs/0/data", "/a/b/c#0.5", "/b~1c/~0/1", "/", "ä", "/outputs/1/name#y", "/0", "/1/a")
}

// someKey is a key that is asked for, or another. A generator is not shared by tests
// that run beside each other: it names itself late.
func someKey() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "name", "data", "outputs", "parameters", "binary_data_size", "b/c", "~", "", "0", "1", "ä", "datatype"}),
		rapid.String(),
	)
}

func scalar() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.SampledFrom([]any{"y", "a", "ä", "fraud", "1", "0.5", "true", 1, 0.5, 0, true, false, nil, 1e300, -3, "\u2028<>", 7.25}),
		rapid.Float64().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(),
	)
}

// document draws a value of some depth.
func document(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case depth == 0 || kind < 4:
		return scalar().Draw(t, "scalar")
	case kind < 7:
		list := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			list = append(list, document(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 5).Draw(t, "fields") {
		object[someKey().Draw(t, "key")] = document(t, depth-1)
	}
	return object
}

// tensors draws what looks like an answer.
func answer(t *rapid.T) any {
	list := []any{}
	for range rapid.IntRange(0, 4).Draw(t, "tensors") {
		tensor := map[string]any{"name": rapid.SampledFrom([]string{"y", "a", "ä", "z"}).Draw(t, "name"), "data": document(t, 3)}
		if rapid.Bool().Draw(t, "more") {
			tensor["parameters"] = document(t, 2)
		}
		list = append(list, tensor)
	}
	object, ok := document(t, 3).(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object["outputs"] = list
	return object
}

func TestOutputsAreWhatEncodingJSONFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := document(t, 5)
		if rapid.Bool().Draw(t, "answer") {
			doc = answer(t)
		}
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(rapid.Bool().Draw(t, "escape"))
		if rapid.Bool().Draw(t, "indent") {
			encoder.SetIndent("\r", " \t")
		}
		if encoder.Encode(doc) != nil || text.Len() > checkLimit {
			return
		}
		p := rapid.SampledFrom([]table.Protocol{table.V2, table.HTTP}).Draw(t, "protocol")
		piece := rapid.IntRange(1, 60).Draw(t, "piece")
		if diff := cmp.Diff(reference(p, asked(), text.Bytes()), read(p, asked(), nil, text.String(), piece)); diff != "" {
			t.Fatalf("%s\n(-encoding/json +here):\n%s", text.String(), diff)
		}
	})
}

// once reports whether no object has a key twice, and how deep a document is.
func once(body []byte) (ok bool, depth int) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	type level struct {
		keys  map[string]bool
		value bool
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return true, depth
		}
		if err != nil {
			return false, depth
		}
		top := len(stack) - 1
		if s, isText := tok.(string); isText && top >= 0 && stack[top].keys != nil && !stack[top].value {
			if stack[top].keys[s] {
				return false, depth
			}
			stack[top].keys[s], stack[top].value = true, true
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
		depth = max(depth, len(stack))
	}
}

// FuzzOutputs: what is found does not depend on how the bytes arrive, and in what
// encoding/json reads without doubt it is what encoding/json finds.
func FuzzOutputs(f *testing.F) {
	for _, seed := range []string{
		good, "", "{}", "[]", `{"a":{"b":{"c":[1,[2,{"x":3}]]}},"b/c":{"~":[0,"fraud"]}}`,
		`{"outputs":[{"data":[1,"fraud",true],"name":"y"},{"name":"\u00e4","data":[[null,0.5]]}]}`,
		`{"a":"\ud83d\ude00\ud83d","":-0.0e-5}`, `[[1],{"a":2}]`,
		`{"outputs":[{"name":"a","parameters":{"binary_data_size":8},"data":[1]},{"name":"a","data":5}]}`,
	} {
		f.Add([]byte(seed), 3, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, piece int, v2 bool) {
		if piece <= 0 || len(body) > checkLimit {
			return
		}
		p := table.HTTP
		if v2 {
			p = table.V2
		}
		whole := read(p, asked(), nil, string(body), len(body)+1)
		if parts := read(p, asked(), nil, string(body), piece); cmp.Diff(whole, parts) != "" {
			t.Fatalf("%q as a whole and %q in pieces of %d", whole, parts, piece)
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			return
		}
		if ok, depth := once(body); !ok || depth >= maxDepth {
			return
		}
		if scalar := bytes.TrimLeft(body, " \t\r\n"); scalar[0] != '{' && scalar[0] != '[' {
			return
		}
		if diff := cmp.Diff(reference(p, asked(), body), whole); diff != "" {
			t.Fatalf("(-encoding/json +here):\n%s", diff)
		}
	})
}
