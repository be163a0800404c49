package row_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/check/row"
)

// Whatever a file holds, reading it ends: with rows in the order of their lines,
// or with an error.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,b\n\"1\n\",2\n", "{\"a\":1}\n{\"a\":[1,{\"b\":null}]}\n", "\ufeffa;b\r\n1;\"2\r\n", "[1]", "a\n\"\"\"\n\"\n",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00", "a,b\n\"\r\"\r\n", "{\"a\":\"\\ud800\"}", "{", "\"\n", "a,a\n1,2", "{\"/a/0\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := row.Open("x", bytes.NewReader(data))
		if err != nil {
			return
		}
		names := slices.DeleteFunc(r.Names(), func(name string) bool { return countOf(r.Names(), name) > 1 })
		if err := r.Select(append(names, "/a/0/b", "missing")); err != nil {
			t.Fatal(err)
		}
		last := row.Row{}
		for {
			next, err := r.Next()
			if err != nil {
				return
			}
			if next.Line <= last.Line || next.Number != last.Number+1 || next.Line > bytes.Count(data, []byte{'\n'})+1 && data[0] != '\x1f' {
				t.Fatalf("line %d (row %d) after line %d (row %d)", next.Line, next.Number, last.Line, last.Number)
			}
			if len(next.Values) != len(names)+2 {
				t.Fatalf("%d values, want %d", len(next.Values), len(names)+2)
			}
			for _, v := range next.Values {
				_, _ = v.Float()
				_, _ = v.Truth()
				if next.Bad != "" && v.Kind != row.Missing && r.Format() == row.CSV {
					t.Fatal("a bad row has a value")
				}
			}
			last = row.Row{Line: next.Line, Number: next.Number}
		}
	})
}

func countOf(names []string, name string) (n int) {
	for _, other := range names {
		if other == name {
			n++
		}
	}
	return n
}

// field draws what a field of CSV may hold. Blanks at its ends are not kept.
var field = rapid.Custom(func(t *rapid.T) string {
	s := strings.TrimSpace(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "1", ",", "\"", "\n", " ", "é", ";", "x"}), 0, 8).Draw(t, "parts"), ""))
	if s == "" {
		return "-"
	}
	return s
})

func TestWhatIsWrittenAsCSVIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 5).Draw(t, "width")
		table := rapid.SliceOfN(rapid.SliceOfN(field, width, width), 0, 12).Draw(t, "table")
		names := []string{"a,", "b", "c", "d", "e"}[:width]
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		if err := w.WriteAll(append([][]string{names}, table...)); err != nil {
			t.Fatal(err)
		}
		r, err := row.Open("x", &b)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Select(names); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			next, err := r.Next()
			if errors.Is(err, io.EOF) {
				if i != len(table) {
					t.Fatalf("%d rows, want %d", i, len(table))
				}
				return
			}
			if err != nil || next.Bad != "" {
				t.Fatalf("row %d: %s, %v", i, next.Bad, err)
			}
			for j, v := range next.Values {
				// The writer turns line breaks into those of the other system, too.
				if got, want := strings.ReplaceAll(v.Text, "\r\n", "\n"), table[i][j]; got != want {
					t.Fatalf("row %d, field %d: %q, want %q", i, j, got, want)
				}
			}
		}
	})
}

func TestWhatIsWrittenAsJSONIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.MapOfN(rapid.StringN(0, 6, -1), rapid.Float64Range(-1e300, 1e300), 1, 4), 1, 8).Draw(t, "rows")
		var b bytes.Buffer
		for _, object := range rows {
			if err := json.NewEncoder(&b).Encode(object); err != nil {
				t.Fatal(err)
			}
		}
		r, err := row.Open("x", &b)
		if err != nil {
			t.Fatal(err)
		}
		names := r.Names()
		if err := r.Select(names); err != nil {
			t.Fatal(err)
		}
		for i, object := range rows {
			next, err := r.Next()
			if err != nil || next.Bad != "" {
				t.Fatalf("row %d: %s, %v", i, next.Bad, err)
			}
			seen := 0
			for j, name := range names {
				want, there := object[name]
				if got, no := next.Values[j].Float(); there && (got != want || no != "") {
					t.Fatalf("row %d, %q: %v (%s), want %v", i, name, got, no, want)
				}
				if there {
					seen++
				}
			}
			if seen != len(object) {
				t.Fatalf("row %d: %d of %d names were found", i, seen, len(object))
			}
		}
	})
}
