package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/table"
)

func inBody(pointer string, body []byte) (string, bool) {
	a := NewAttribute(table.Unit{Source: table.UnitJSON, Name: pointer})
	return a.Of(nil, "", body)
}

func TestAUnitIsFoundInTheBody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ pointer, body, want string }{
		"a text":                         {"/user", `{"user":"u1"}`, "u1"},
		"a number as it is written":      {"/user", `{"user": 4711 }`, "4711"},
		"a truth value":                  {"/vip", `{"vip":true}`, "true"},
		"behind others":                  {"/user", `{"a":[1,{"user":"x"}],"b":{"user":"y"},"c":"}\"{","user":"u1"}`, "u1"},
		"deep":                           {"/a/b/1/c", `{"a":{"b":[0,{"c":"u1"}]}}`, "u1"},
		"the first of a list":            {"/0/user", `[{"user":"u1"},{"user":"u2"}]`, "u1"},
		"the first of two equal keys":    {"/user", `{"user":"u1","user":"u2"}`, "u1"},
		"a key with a slash":             {"/a~1b", `{"a/b":"u1"}`, "u1"},
		"a key with a tilde":             {"/a~0b", `{"a~b":"u1"}`, "u1"},
		"a key with escapes":             {"/user", `{"\u0075ser":"u1"}`, "u1"},
		"a value with escapes":           {"/user", `{"user":"\u0075\n\"1"}`, "u\n\"1"},
		"an empty key":                   {"/", `{"":"u1"}`, "u1"},
		"white space":                    {"/user", " \n\t{ \"a\" : 1 , \"user\" :\r \"u1\" }", "u1"},
		"before the rest is broken":      {"/user", `{"user":"u1",]]`, "u1"},
		"before the rest is missing":     {"/user", `{"user":"u1","messages":["`, "u1"},
		"an empty text":                  {"/user", `{"user":""}`, ""},
		"null":                           {"/user", `{"user":null}`, ""},
		"an object":                      {"/user", `{"user":{"id":"u1"}}`, ""},
		"a list":                         {"/user", `{"user":["u1"]}`, ""},
		"missing":                        {"/user", `{"users":"u1"}`, ""},
		"within what is skipped":         {"/user", `{"a":{"user":"u1"}}`, ""},
		"beyond a list":                  {"/2", `[1,2]`, ""},
		"a word where a place is wanted": {"/x", `["u1"]`, ""},
		"a place with a leading zero":    {"/01", `[1,2]`, ""},
		"no JSON":                        {"/user", `user=u1`, ""},
		"nothing":                        {"/user", ``, ""},
		"a text that does not end":       {"/user", `{"user":"u1`, ""},
		"a number that may go on":        {"/user", `{"user":12`, ""},
		"no number":                      {"/user", `{"user":1x2}`, ""},
		"an escape that is none":         {"/user", `{"user":"\x"}`, ""},
		"a text below a text":            {"/user/id", `{"user":"u1"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, found := inBody(tt.pointer, []byte(tt.body)); got != tt.want || found != (tt.want != "") {
				t.Errorf("%q, found %v; want %q", got, found, tt.want)
			}
		})
	}
}

// unitIn is what a unit in a body is, by encoding/json.
func unitIn(body []byte, parts []string) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil {
		return "", false
	}
	v, _ := pointed(doc, parts)
	switch v := v.(type) {
	case string:
		return v, v != ""
	case json.Number:
		return v.String(), true
	case bool:
		return map[bool]string{true: "true", false: "false"}[v], true
	}
	return "", false
}

func TestUnitsInBodiesAgreeWithEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.MarshalIndent(document(t, 4), "", strings.Repeat(" ", rapid.IntRange(0, 2).Draw(t, "indent")))
		if err != nil {
			t.Fatal(err)
		}
		parts := rapid.SliceOfN(rapid.OneOf(someKey(), rapid.SampledFrom([]string{"0", "1", "2"})), 1, 4).Draw(t, "pointer")
		for i, part := range parts {
			if !utf8.ValidString(part) {
				t.Skip("a key that JSON cannot hold")
			}
			parts[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		want, wanted := unitIn(body, parts)
		got, found := inBody("/"+strings.Join(parts, "/"), body)
		if got != want || found != wanted {
			t.Fatalf("%q, found %v; want %q, %v\n%s", got, found, want, wanted, body)
		}
		cut := rapid.IntRange(0, len(body)).Draw(t, "cut")
		if early, ok := inBody("/"+strings.Join(parts, "/"), body[:cut]); ok && (early != want || !wanted) {
			t.Fatalf("%q in the first %d bytes, %q in all\n%s", early, cut, want, body)
		}
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{`{"user":"u1"}`, `[[[`, `{"a":"\u12`, `{"a":1e999,"user":-0}`, "\"\\", `{"user":"\ud800"}`} {
		f.Add("/user", []byte(s))
	}
	f.Fuzz(func(t *testing.T, pointer string, body []byte) {
		got, found := inBody(pointer, body)
		if found != (got != "") {
			t.Fatalf("%q, found %v", got, found)
		}
		if want, wanted := unitIn(body, strings.Split(strings.TrimPrefix(pointer, "/"), "/")); json.Valid(body) && !twice(body) && (got != want || found != wanted) {
			t.Fatalf("%q, found %v; want %q, %v", got, found, want, wanted)
		}
	})
}

// twice reports whether a document may hold a key twice, of which encoding/json
// takes the last: writing it anew then changes its length.
func twice(body []byte) bool {
	var plain bytes.Buffer
	var doc any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&doc) != nil || json.Compact(&plain, body) != nil {
		return true
	}
	again, err := json.Marshal(doc)
	return err != nil || len(again) != plain.Len()
}

func BenchmarkFind(b *testing.B) {
	body := []byte(`{"inputs":[{"name":"x","shape":[1,32],"datatype":"FP32","data":[` + strings.Repeat("0.123456,", 31) + `1]}],"parameters":{"user":"user-4711"}}`)
	a := NewAttribute(table.Unit{Source: table.UnitJSON, Name: "/parameters/user"})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.Of(nil, "", body); !ok {
			b.Fatal("not found")
		}
	}
}
