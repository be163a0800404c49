package row_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/problem"
)

// read reads all rows of a file. Each row is told as its line, and then its values
// or its reason.
func read(t *testing.T, in io.Reader, names ...string) (rows [][]string, r *row.Reader, err error) {
	t.Helper()
	r, err = row.Open("a file", in)
	if err != nil {
		return nil, nil, err
	}
	if names == nil {
		names = r.Names()
	}
	if err := r.Select(names); err != nil {
		return nil, r, err
	}
	for {
		next, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, r, nil
		}
		if err != nil {
			return rows, r, err
		}
		rows = append(rows, told(next))
	}
}

func told(r row.Row) []string {
	out := []string{strconv.Itoa(r.Line)}
	if r.Bad != "" {
		return append(out, "bad: "+string(r.Bad))
	}
	for _, v := range r.Values {
		out = append(out, kinds[v.Kind]+v.Text)
	}
	return out
}

var kinds = map[row.Kind]string{row.Missing: "-", row.Null: "null", row.Text: "", row.Number: "#", row.Boolean: "?", row.Composite: "&"}

func TestRowsOfCSV(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in    string
		names []string // selected; nil selects all
		want  [][]string
	}{
		"plain rows":                        {in: "a,b\n1,2\n3,4\n", want: [][]string{{"2", "1", "2"}, {"3", "3", "4"}}},
		"a last row without an end":         {in: "a,b\n1,2", want: [][]string{{"2", "1", "2"}}},
		"ends of lines as on other systems": {in: "a,b\r\n1,2\r\n", want: [][]string{{"2", "1", "2"}}},
		"a byte order mark":                 {in: "\ufeffa,b\n1,2\n", want: [][]string{{"2", "1", "2"}}},
		"blank lines are no rows":           {in: "\n\na,b\n\n1,2\n  \n3,4\n\n", want: [][]string{{"5", "1", "2"}, {"7", "3", "4"}}},
		"semicolons":                        {in: "a;b\n1,5;2\n", want: [][]string{{"2", "1,5", "2"}}},
		"tabs":                              {in: "a\tb\n1\t\n", want: [][]string{{"2", "1", "-"}}},
		"one column":                        {in: "a\n1\n2\n", want: [][]string{{"2", "1"}, {"3", "2"}}},
		"fields without a value":            {in: "a,b,c\n,NULL, null \n", want: [][]string{{"2", "-", "null", "null"}}},
		"blanks around values":              {in: " a , b \n 1 , 2 \n", want: [][]string{{"2", "1", "2"}}},
		"quotes":                            {in: "a,b\n\"1,\"\"x\"\"\",\"\"\n", want: [][]string{{"2", `1,"x"`, "-"}}},
		"a quoted field of several lines":   {in: "a,b\n\"1\n\n2\",3\n4,5\n", want: [][]string{{"2", "1\n\n2", "3"}, {"5", "4", "5"}}},
		"a quote inside of a field":         {in: "a,b\n5\" disk,2\n", want: [][]string{{"2", `5" disk`, "2"}}},
		"a chosen column, in another order": {in: "a,b,c\n1,2,3\n", names: []string{"c", "x", "a"}, want: [][]string{{"2", "3", "-", "1"}}},
		"too few and too many fields": {in: "a,b\n1\n1,2,3\n1,2\n", want: [][]string{
			{"2", "bad: WrongFieldCount"}, {"3", "bad: WrongFieldCount"}, {"4", "1", "2"},
		}},
		"text after a quoted field": {in: "a,b\n\"1\"x,2\n1,2\n", want: [][]string{{"2", "bad: BrokenQuotes"}, {"3", "1", "2"}}},
		"a quote that is never closed takes no other row with it": {in: "a,b\n\"1,2\n3,4\n5,6\n", want: [][]string{
			{"2", "bad: BrokenQuotes"}, {"3", "3", "4"}, {"4", "5", "6"},
		}},
		"several quotes that are never closed": {in: "a,b\n\"1,2\n3,4\n5,\"6\n7,8\n\"9,10", want: [][]string{
			{"2", "bad: BrokenQuotes"}, {"3", "3", "4"}, {"4", "bad: BrokenQuotes"}, {"5", "7", "8"}, {"6", "bad: BrokenQuotes"},
		}},
		"what is no UTF-8":         {in: "a,b\n1,\xff\n1,2\n", want: [][]string{{"2", "bad: NotUTF8"}, {"3", "1", "2"}}},
		"a row longer than it may": {in: "a,b\n1," + strings.Repeat("x", row.MaxLength) + "\n1,2\n", want: [][]string{{"2", "bad: TooLong"}, {"3", "1", "2"}}},
		"a quoted field longer than it may": {
			in:   "a,b\n1,\"" + strings.Repeat("x\n", row.MaxLength/4) + strings.Repeat("y", row.MaxLength) + "\"\n1,2\n",
			want: nil, // Told below.
		},
		"a header alone": {in: "a,b\n"},
		"nothing":        {in: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, r, err := read(t, strings.NewReader(tt.in), tt.names...)
			if err != nil {
				t.Fatal(err)
			}
			if r.Format() != row.CSV {
				t.Errorf("format %s", r.Format())
			}
			if name == "a quoted field longer than it may" {
				longField(t, got)
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// longField checks the rows of a quoted field that is given up: the line that
// begins it is named, each line after it is a row of its own, and the one that is
// too long is named too.
func longField(t *testing.T, rows [][]string) {
	t.Helper()
	const lines = row.MaxLength / 4
	if len(rows) != lines+2 {
		t.Fatalf("%d rows, want %d", len(rows), lines+2)
	}
	if diff := cmp.Diff([]string{"2", "bad: BrokenQuotes"}, rows[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"3", "bad: WrongFieldCount"}, rows[1]); diff != "" {
		t.Error(diff)
	}
	last := rows[lines:]
	if diff := cmp.Diff([][]string{{strconv.Itoa(lines + 2), "bad: TooLong"}, {strconv.Itoa(lines + 3), "1", "2"}}, last); diff != "" {
		t.Error(diff)
	}
}

func TestRowsOfJSON(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in    string
		names []string
		want  [][]string
	}{
		"all kinds of values": {
			in:   `{"a":1.50,"b":" x ","c":true,"d":null,"e":[1, 2],"f":{"g":1}}` + "\n",
			want: [][]string{{"1", "#1.50", "x", "?true", "null", "&[1, 2]", `&{"g":1}`}},
		},
		"what is not in a row": {in: "{\"a\":1}\n{\"b\":2}\n\n{\"a\":3,\"b\":4}", want: [][]string{{"1", "#1", "-"}, {"2", "-", "#2"}, {"4", "#3", "#4"}}},
		"the empty text":       {in: `{"a":""}`, want: [][]string{{"1", ""}}},
		"pointers": {
			in:    `{"a":{"b":[{"c":5},"x"],"d/e":1,"f~":2},"/g":3}`,
			names: []string{"/a/b/0/c", "/a/b/1", "/a/b/2", "/a/d~1e", "/a/f~0", "/g", "/a/b/x", "/n/o", "/a"},
			want:  [][]string{{"1", "#5", "x", "-", "#1", "#2", "#3", "-", "-", `&{"b":[{"c":5},"x"],"d/e":1,"f~":2}`}},
		},
		"lines that are no objects": {
			in:    "{\"a\":1}\n[1]\n2\nnull\n{\"a\":\n{\"a\":3}x\n{\"a\":4}\n",
			names: []string{"a"},
			want: [][]string{
				{"1", "#1"}, {"2", "bad: NotJSON"}, {"3", "bad: NotJSON"}, {"4", "bad: NotJSON"}, {"5", "bad: NotJSON"}, {"6", "bad: NotJSON"}, {"7", "#4"},
			},
		},
		"a line longer than it may": {in: "{\"a\":1}\n{\"a\":\"" + strings.Repeat("x", row.MaxLength) + "\"}\n{\"a\":2}\n", want: [][]string{{"1", "#1"}, {"2", "bad: TooLong"}, {"3", "#2"}}},
		"what is no UTF-8":          {in: "{\"a\":1}\n{\"a\":\"\xff\"}\n", want: [][]string{{"1", "#1"}, {"2", "bad: NotUTF8"}}},
		"a byte order mark":         {in: "\ufeff{\"a\":1}\r\n", want: [][]string{{"1", "#1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, r, err := read(t, strings.NewReader(tt.in), tt.names...)
			if err != nil {
				t.Fatal(err)
			}
			if r.Format() != row.JSONL {
				t.Errorf("format %s", r.Format())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheNamesOfJSONAreThoseOfTheFirstRows(t *testing.T) {
	t.Parallel()
	r, err := row.Open("a file", strings.NewReader("{\"b\":{\"x\":1},\"a\":2}\nnonsense\n{\"c\":[{}],\"a\":1}\n{\"d\":"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a", "c"}, r.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestANameThatStandsTwiceIsRefusedWhereItIsUsed(t *testing.T) {
	t.Parallel()
	_, _, err := read(t, strings.NewReader("a,b,a\n1,2,3\n"), "a")
	if err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got %v", err)
	}
	if got, _, err := read(t, strings.NewReader("a,b,a\n1,2,3\n"), "b"); err != nil || got[0][1] != "2" {
		t.Errorf("another column: %v, %v", got, err)
	}
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPackedFilesAreUnpacked(t *testing.T) {
	t.Parallel()
	both := append(packed(t, "a,b\n1,2\n"), packed(t, "3,4\n")...)
	got, _, err := read(t, bytes.NewReader(both))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"2", "1", "2"}, {"3", "3", "4"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatAreBrokenAsAWhole(t *testing.T) {
	t.Parallel()
	whole := packed(t, "a,b\n"+strings.Repeat("1,2\n", 100_000))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	for name, tt := range map[string]struct {
		in   io.Reader
		want string
	}{
		"cut off":                       {bytes.NewReader(whole[:len(whole)/2]), "a file is cut off"},
		"cut off in its head":           {bytes.NewReader(whole[:5]), "a file is cut off"},
		"a sum that is not right":       {bytes.NewReader(flipped), "invalid checksum"},
		"a disk that fails":             {io.MultiReader(strings.NewReader("a,b\n1,2\n3"), iotest.ErrReader(errors.New("bad sector"))), "read a file: bad sector"},
		"a disk that fails at the head": {iotest.ErrReader(errors.New("bad sector")), "read a file: bad sector"},
		"an array":                      {strings.NewReader("[{\"a\":1}]"), "one object a line"},
		"UTF-16":                        {strings.NewReader("\xff\xfea\x00"), "UTF-16"},
		"Parquet":                       {strings.NewReader("PAR1xxxx"), "Parquet"},
		"zstd":                          {strings.NewReader("\x28\xb5\x2f\xfdxxx"), "zstd"},
		"zip":                           {strings.NewReader("PK\x03\x04xxx"), "zip archive"},
		"bytes":                         {strings.NewReader("a,b\n\x00\x01\x02"), "no text"},
		"a header that cannot be read":  {strings.NewReader("a,\"b\n1,2\n"), "BrokenQuotes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := read(t, tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "a file") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if !problem.Is(err, problem.Invalid) {
				t.Errorf("code %s", problem.CodeOf(err))
			}
		})
	}
}

// endless repeats a byte.
type endless []byte

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

// It must not run beside other tests: it looks at what is allocated.
func TestALineOfAGigabyteTakesNoMemory(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 1 << 26
	}
	line := endless(bytes.Repeat([]byte{'x'}, 1<<16))
	for name, head := range map[string]string{"CSV": "a,b\n1,2\n", "JSON": "{\"a\":1}\n", "quotes": "a,b\n1,2\n3,\""} {
		in := io.MultiReader(strings.NewReader(head), io.LimitReader(line, size), strings.NewReader("\n"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rows, _, err := read(t, in)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 2 || rows[1][1] != "bad: TooLong" {
			t.Errorf("%s: rows %.80v", name, rows)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%s: %d bytes were allocated", name, took)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		value row.Value
		float float64
		no    row.Reason
		truth bool
		nor   row.Reason
	}{
		"one":             {row.Value{Kind: row.Text, Text: "1"}, 1, "", true, ""},
		"a number":        {row.Value{Kind: row.Number, Text: "-2.5e3"}, -2500, "", false, row.NotBoolean},
		"nothing":         {row.Value{}, 0, row.Empty, false, row.Empty},
		"null":            {row.Value{Kind: row.Null}, 0, row.Empty, false, row.Empty},
		"the empty text":  {row.Value{Kind: row.Text}, 0, row.Empty, false, row.Empty},
		"NaN":             {row.Value{Kind: row.Text, Text: "NaN"}, 0, row.NaN, false, row.NaN},
		"infinity":        {row.Value{Kind: row.Text, Text: "-Inf"}, 0, row.Infinite, false, row.NotBoolean},
		"beyond a number": {row.Value{Kind: row.Number, Text: "1e999"}, 0, row.Infinite, false, row.NotBoolean},
		"next to nothing": {row.Value{Kind: row.Number, Text: "1e-999"}, 0, "", false, row.NotBoolean},
		"a word":          {row.Value{Kind: row.Text, Text: "Yes"}, 0, row.NotNumber, true, ""},
		"another word":    {row.Value{Kind: row.Text, Text: "maybe"}, 0, row.NotNumber, false, row.NotBoolean},
		"false":           {row.Value{Kind: row.Boolean, Text: "false"}, 0, row.NotNumber, false, ""},
		"an object":       {row.Value{Kind: row.Composite, Text: "{}"}, 0, row.NotNumber, false, row.NotBoolean},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if x, no := tt.value.Float(); x != tt.float || no != tt.no {
				t.Errorf("number %v %q, want %v %q", x, no, tt.float, tt.no)
			}
			if x, no := tt.value.Truth(); x != tt.truth || no != tt.nor {
				t.Errorf("truth %v %q, want %v %q", x, no, tt.truth, tt.nor)
			}
		})
	}
}
