package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// names makes outputs of names; a class is written behind a #.
func names(list ...string) []evidence.Output {
	var out []evidence.Output
	for _, name := range list {
		name, classes, _ := strings.Cut(name, "#")
		o := evidence.Output{Name: name}
		for text := range strings.SplitSeq(classes, ",") {
			if text != "" {
				o.Classes = append(o.Classes, evidence.Class{Text: text})
			}
		}
		out = append(out, o)
	}
	return out
}

// read reads an answer in pieces of a size.
func read(p table.Protocol, list []evidence.Output, header http.Header, body string, piece int) []string {
	r := NewOutputs(p, list).Reader(http.MethodPost, http.StatusOK, header)
	defer r.Close()
	for len(body) > 0 {
		n := min(piece, len(body))
		r.Write([]byte(body[:n]))
		body = body[n:]
	}
	return spelled(list, r.Readings())
}

// spelled writes readings as a person does: by output, a text as its hash, and
// the classes that a value is of.
func spelled(list []evidence.Output, readings []evidence.Reading) []string {
	out := make([]string, len(list))
	for _, r := range readings {
		text := "-"
		switch r.Kind {
		case evidence.Number:
			text = fmt.Sprint(r.Value)
		case evidence.Text:
			text = fmt.Sprintf("%012x", uint64(r.Value))
		case evidence.Missing:
		}
		for i, c := range list[r.Output].Classes {
			if r.Classes&(1<<i) != 0 {
				text += "=" + c.Text
			}
		}
		out[r.Output] = strings.TrimPrefix(out[r.Output]+" "+text, " ")
	}
	return out
}

// hashed is how a text is spelled.
func hashed(s string) string { return fmt.Sprintf("%012x", uint64(evidence.TextValue([]byte(s)))) }

func TestOutputsOfV2Answers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1,", 1000) + "1"
	tests := map[string]struct {
		list []evidence.Output
		body string
		want []string
	}{
		"a number":                         {names("y"), good, []string{"0.25 -0.001"}},
		"the second of two":                {names("b"), `{"outputs":[{"name":"a","data":[1]},{"name":"b","data":[2]}]}`, []string{"2"}},
		"both, in their own order":         {names("b", "a"), `{"outputs":[{"name":"a","data":[1]},{"name":"b","data":[2,3]}]}`, []string{"2 3", "1"}},
		"none of that name":                {names("y"), `{"outputs":[{"name":"yy","data":[1]},{"name":"","data":[1]},{"data":[3]}]}`, []string{"-"}},
		"the data before the name":         {names("b#2,x"), `{"outputs":[{"data":[9],"name":"a"},{"data":[2,"x",[3]],"name":"b"}]}`, []string{"2=2 " + hashed("x") + "=x 3"}},
		"classes of others":                {names("a#2", "b#2,3"), `{"outputs":[{"data":[2,3],"name":"b"},{"data":[2,3],"name":"a"}]}`, []string{"2=2 3", "2=2 3=3"}},
		"rows of rows":                     {names("y"), `{"outputs":[{"name":"y","shape":[2,2],"data":[[1,2],[3,4]]}]}`, []string{"1 2 3 4"}},
		"labels":                           {names("y#fraud"), `{"outputs":[{"name":"y","datatype":"BYTES","data":["fraud","legit"]}]}`, []string{hashed("fraud") + "=fraud " + hashed("legit")}},
		"a label with escapes":             {names("y#Höhe \"ä\" 😀"), `{"outputs":[{"name":"y","data":["H\u00f6he \"\u00E4\" \ud83d\ude00"]}]}`, []string{hashed("Höhe \"ä\" 😀") + "=Höhe \"ä\" 😀"}},
		"a name with escapes":              {names("Höhe/ä"), `{"outputs":[{"n\u0061me":"H\u00f6he\/\u00e4","d\u0061ta":[4]}]}`, []string{"4"}},
		"numbers however they are written": {names("y#1,0.5"), `{"outputs":[{"name":"y","data":[1,1.0,1e0,10e-1,"1","1.00",5e-1,-0]}]}`, []string{"1=1 1=1 1=1 1=1 1=1 1=1 0.5=0.5 -0"}},
		"truth values":                     {names("y#true,0"), `{"outputs":[{"name":"y","datatype":"BOOL","data":[true,false]}]}`, []string{"1=true 0"}},
		"what is neither number nor text":  {names("y"), `{"outputs":[{"name":"y","data":[null,NaN,Infinity,-Infinity,1e999,{"a":7},2,[]]}]}`, []string{"- - - - - - 2"}},
		"a text that is no number":         {names("y"), `{"outputs":[{"name":"y","data":["01","0x1","1_0","nan",""]}]}`, []string{hashed("01") + " " + hashed("0x1") + " " + hashed("1_0") + " " + hashed("nan") + " " + hashed("")}},
		"more than are read":               {names("y"), `{"outputs":[{"name":"y","data":[` + long + `]}]}`, []string{strings.TrimSpace(strings.Repeat("1 ", 64))}},
		"an empty list":                    {names("y"), `{"outputs":[{"name":"y","data":[]}]}`, []string{"-"}},
		"data that is one number":          {names("y"), `{"outputs":[{"name":"y","data":3}]}`, []string{"3"}},
		"data that is an object":           {names("y"), `{"outputs":[{"name":"y","data":{"a":1}}]}`, []string{"-"}},
		"a name that is no text":           {names("3"), `{"outputs":[{"name":3,"data":[1]}]}`, []string{"-"}},
		"outputs that are no list":         {names("y"), `{"outputs":{"name":"y","data":[1]}}`, []string{"-"}},
		"outputs only deeper":              {names("y"), `{"parameters":{"outputs":[{"name":"y","data":[1]}]},"outputs":[[{"name":"y","data":[1]}]]}`, []string{"-"}},
		"a tensor twice":                   {names("y"), `{"outputs":[{"name":"y","data":[1]},{"name":"y","data":[2]}]}`, []string{"1"}},
		"names within parameters":          {names("y"), `{"outputs":[{"parameters":{"name":"y","data":[9]},"name":"z","data":[1]},{"name":"y","data":[2]}]}`, []string{"2"}},
		"a pointer into a tensor":          {names("/outputs/1/data/0/1", "y"), `{"outputs":[{"name":"y","data":[1]},{"data":[[2,3]]}]}`, []string{"3", "1"}},
		"beyond what is looked at":         {names("y", "z"), `{"outputs":[{"name":"z","data":[1]},{"name":"x","data":["` + strings.Repeat("x", checkLimit) + `"]},{"name":"y","data":[1]}]}`, []string{"-", "1"}},
		"cut within the data":              {names("y"), `{"outputs":[{"name":"y","data":[1,2`, []string{"-"}},
		"no JSON":                          {names("y"), `<html>`, []string{"-"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 3, 1 << 20} {
				if diff := cmp.Diff(tt.want, read(table.V2, tt.list, nil, tt.body, piece)); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

func TestOutputsByPointer(t *testing.T) {
	t.Parallel()
	choices := `{"id":"x","choices":[{"score":0.5,"tags":["a","b"]},{"score":0.75}],"a/b":{"~":1,"":2,"m~n":3},"0":{"1":[4]}}`
	tests := map[string]struct {
		list []evidence.Output
		body string
		want []string
	}{
		"a place in a list":            {names("/choices/1/score"), choices, []string{"0.75"}},
		"all of a list":                {names("/choices/0/tags"), choices, []string{hashed("a") + " " + hashed("b")}},
		"a list and a part of it":      {names("/choices/0/tags", "/choices/0/tags/1"), choices, []string{hashed("a") + " " + hashed("b"), hashed("b")}},
		"keys with ~ and /":            {names("/a~1b/~0", "/a~1b/m~0n", "/a~1b/"), choices, []string{"1", "3", "2"}},
		"a key that is a number":       {names("/0/1/0"), choices, []string{"4"}},
		"a place that is no number":    {names("/choices/01/score", "/choices/-/score", "/choices/+1/score"), choices, []string{"-", "-", "-"}},
		"an object":                    {names("/a~1b"), choices, []string{"-"}},
		"a list of objects":            {names("/choices"), choices, []string{"- -"}},
		"beyond the end of a list":     {names("/choices/2/score"), choices, []string{"-"}},
		"a step into a number":         {names("/id/score", "/choices/0/score/x"), choices, []string{"-", "-"}},
		"a step that begins the key":   {names("/choice", "/choicess"), choices, []string{"-", "-"}},
		"one beside another":           {names("/a/b"), `{"a":5,"x":{"b":6}}`, []string{"-"}},
		"after a list of the same key": {names("/a/b"), `{"a":[{"b":1}],"c":{"a":{"b":2}}}`, []string{"-"}},
		"the first of doubled keys":    {names("/a"), `{"a":1,"a":2}`, []string{"1"}},
		"a list at the top":            {names("/1/p", "/0"), `[7,{"p":8}]`, []string{"8", "7"}},
		"no tensors here":              {names("score", "/score"), `{"score":3,"outputs":[{"name":"score","data":[1]}]}`, []string{"-", "3"}},
		"a number at the top":          {names("/a"), `5`, []string{"-"}},
		"nothing":                      {names("/a"), ``, []string{"-"}},
		"before it breaks":             {names("/a", "/b"), `{"a":1,]"b":2}`, []string{"1", "-"}},
		"too deep to follow":           {names("/b"), strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70), []string{"-"}},
		"a text as long as can be":     {names("/a"), `{"a":"` + strings.Repeat("x", 5000) + `"}`, []string{hashed(strings.Repeat("x", maxText))}},
		"a key longer than can be":     {names("/b"), `{"` + strings.Repeat("x", 5000) + `":1,"b":2}`, []string{"2"}},
		"halves of pairs":              {names("/a"), `{"a":["\ud83d","\ud83dx","\ude00","\ud83d\ud83d\ude00","\ud83d\n"]}`, []string{hashed("�") + " " + hashed("�x") + " " + hashed("�") + " " + hashed("�😀") + " " + hashed("�\n")}},
		"an escape that is none":       {names("/b"), `{"a":"\x","b":1}`, []string{"-"}},
		"digits that are none":         {names("/b"), `{"a":"\u00g0","b":1}`, []string{"-"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 3, 1 << 20} {
				if diff := cmp.Diff(tt.want, read(table.HTTP, tt.list, nil, tt.body, piece)); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

// little writes numbers as they follow the JSON.
func little(values ...any) string {
	var b bytes.Buffer
	for _, v := range values {
		if s, ok := v.(string); ok {
			_ = binary.Write(&b, binary.LittleEndian, uint32(len(s)))
			b.WriteString(s)
			continue
		}
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.String()
}

func TestOutputsInBinary(t *testing.T) {
	t.Parallel()
	type part struct{ name, kind, data string }
	answer := func(parts ...part) (http.Header, string) {
		var outputs []string
		tail := ""
		for _, p := range parts {
			outputs = append(outputs, fmt.Sprintf(`{"name":%q,"datatype":%q,"shape":[1],"parameters":{"x":{"binary_data_size":1},"binary_data_size":%d}}`, p.name, p.kind, len(p.data)))
			tail += p.data
		}
		head := `{"outputs":[` + strings.Join(outputs, ",") + `]}`
		return http.Header{"Inference-Header-Content-Length": {fmt.Sprint(len(head))}}, head + tail
	}
	many := make([]float32, 20_000)
	for i := range many {
		many[i] = float32(i)
	}
	first := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(many[:64]), "["), "]")
	tests := map[string]struct {
		parts []part
		list  []evidence.Output
		want  []string
	}{
		"singles":             {[]part{{"y", "FP32", little(float32(0.5), float32(-2))}}, names("y#-2"), []string{"0.5 -2=-2"}},
		"after another":       {[]part{{"x", "FP32", little(many)}, {"y", "FP64", little(2.5)}}, names("y"), []string{"-"}},
		"after a small one":   {[]part{{"x", "INT8", little(int8(1))}, {"y", "FP64", little(2.5)}}, names("y"), []string{"2.5"}},
		"the first of many":   {[]part{{"y", "FP32", little(many)}}, names("y"), []string{first}},
		"every whole number":  {[]part{{"a", "INT8", little(int8(-3))}, {"b", "UINT8", little(uint8(250))}, {"c", "INT16", little(int16(-300))}, {"d", "UINT16", little(uint16(60000))}, {"e", "INT32", little(int32(-70000))}, {"f", "UINT32", little(uint32(4e9))}, {"g", "INT64", little(int64(-5e9))}, {"h", "UINT64", little(uint64(6e9))}, {"i", "BOOL", little(uint8(1))}}, names("a", "b", "c", "d", "e", "f", "g", "h", "i"), []string{"-3", "250", "-300", "60000", "-70000", "4e+09", "-5e+09", "6e+09", "1"}},
		"halves":              {[]part{{"y", "FP16", little(uint16(0x3c00), uint16(0xc500), uint16(1), uint16(0x7c00), uint16(0x7e01), uint16(0x0000))}}, names("y"), []string{"1 -5 5.960464477539063e-08 - - 0"}},
		"the other halves":    {[]part{{"y", "BF16", little(uint16(0x3f80), uint16(0xc0a0))}}, names("y"), []string{"1 -5"}},
		"no numbers":          {[]part{{"y", "FP32", little(float32(math.NaN()), float32(math.Inf(-1)), float32(1))}}, names("y"), []string{"- - 1"}},
		"texts":               {[]part{{"y", "BYTES", little("fraud", "", "1")}}, names("y#fraud,1"), []string{hashed("fraud") + "=fraud " + hashed("") + " 1=1"}},
		"a text that is cut":  {[]part{{"y", "BYTES", little("fraud") + "\xff\x00\x00\x00abc"}}, names("y"), []string{hashed("fraud")}},
		"an unknown type":     {[]part{{"y", "FP8", "abc"}}, names("y"), []string{"-"}},
		"a value that is cut": {[]part{{"y", "FP32", "abc"}}, names("y"), []string{"-"}},
		"nobody asks":         {[]part{{"y", "FP32", little(float32(1))}}, names("z"), []string{"-"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header, body := answer(tt.parts...)
			for _, piece := range []int{1, 7, 1 << 20} {
				if diff := cmp.Diff(tt.want, read(table.V2, tt.list, header, body, piece)); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

func TestAnswersWhoseOutputsCannotBeRead(t *testing.T) {
	t.Parallel()
	o := NewOutputs(table.V2, names("y"))
	for name, tt := range map[string]struct {
		method string
		status int
		header http.Header
		want   string // none for an answer that has no outputs
	}{
		"an answer":             {http.MethodPost, 200, nil, "0.25 -0.001"},
		"not encoded":           {http.MethodPost, 200, http.Header{"Content-Encoding": {"identity"}}, "0.25 -0.001"},
		"encoded":               {http.MethodPost, 200, http.Header{"Content-Encoding": {"gzip"}}, "-"},
		"a length of no number": {http.MethodPost, 200, tensors(-1), "-"},
		"an error":              {http.MethodPost, 500, nil, ""},
		"no content":            {http.MethodPost, 204, nil, ""},
		"a head alone":          {http.MethodHead, 200, nil, ""},
	} {
		r := o.Reader(tt.method, tt.status, tt.header)
		if r == nil {
			if tt.want != "" {
				t.Errorf("%s: not read", name)
			}
			continue
		}
		r.Write([]byte(good))
		if got := spelled(names("y"), r.Readings())[0]; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		r.Close()
	}
	if NewOutputs(table.V2, nil) != nil {
		t.Error("there is a reader of nothing")
	}
	if NewOutputs(table.HTTP, names("/a")).Reader(http.MethodGet, 201, nil) == nil {
		t.Error("an answer 201 over plain HTTP is not read")
	}
}

// What MLServer 1.7 answered, as it came.
func TestWhatMLServerAnswers(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"predict.json": {"2=2"},
		"proba.json":   {"4 8 4", "0.14150051410288236 0.003601176617016569"},
	} {
		body, err := os.ReadFile(filepath.Join("testdata", "mlserver", file))
		if err != nil {
			t.Fatal(err)
		}
		got := read(table.V2, names("predict#2", "predict_proba"), http.Header{"Content-Type": {"application/json"}}, string(body), 100)
		for i, w := range want {
			if !strings.HasPrefix(got[i], w) {
				t.Errorf("%s: %q, want %q", file, got[i], w)
			}
		}
		if n := len(strings.Fields(got[1])); file == "proba.json" && n != 30 {
			t.Errorf("%d probabilities of 3 digits", n)
		}
	}
}

func TestAReaderIsUsedAgainWithoutATrace(t *testing.T) {
	t.Parallel()
	o := NewOutputs(table.V2, names("y#1", "/a/0"))
	bodies := []string{good, `{"a":[5],"outputs":[`, `{"outputs":[{"data":[1,"\ud83d`, `{"a":[[`, "", `{"outputs":[{"name":"y","data":[1]}],"a":["x"]}`}
	for i := range 200 {
		body := bodies[i*7%len(bodies)]
		r := o.Reader(http.MethodPost, 200, nil)
		r.Write([]byte(body))
		got := spelled(names("y#1", "/a/0"), r.Readings())
		r.Close()
		if want := read(table.V2, names("y#1", "/a/0"), nil, body, 1<<20); cmp.Diff(want, got) != "" {
			t.Fatalf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestReadingOutputsAllocatesNothing(t *testing.T) {
	o := NewOutputs(table.V2, names("predict#2", "predict_proba", "/id"))
	body, err := os.ReadFile(filepath.Join("testdata", "mlserver", "proba.json"))
	if err != nil {
		t.Fatal(err)
	}
	header, r := http.Header{}, newReader(o) // The pool may be emptied meanwhile.
	if n := testing.AllocsPerRun(1000, func() {
		r.reset(bound(header))
		r.Write(body)
		if len(r.Readings()) != 34 {
			t.Error("not all was read")
		}
	}); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func BenchmarkOutputs(b *testing.B) {
	small := []byte(`{"model_name":"digits","model_version":"v1","id":"42","parameters":{},"outputs":[{"name":"predict","shape":[1,1],"datatype":"INT64","parameters":{"content_type":"np"},"data":[2]}]}`)
	proba, err := os.ReadFile(filepath.Join("testdata", "mlserver", "proba.json"))
	if err != nil {
		b.Fatal(err)
	}
	embedding, err := json.Marshal(map[string]any{"outputs": []any{map[string]any{"name": "e", "data": make([]float64, 20_000)}}})
	if err != nil {
		b.Fatal(err)
	}
	for name, tt := range map[string]struct {
		list []evidence.Output
		body []byte
	}{
		"one number":              {names("predict"), small},
		"a class":                 {names("predict#2"), small},
		"30 numbers":              {names("predict_proba"), proba},
		"a pointer":               {names("/outputs/0/data/0"), small},
		"not there, 40 kilobytes": {names("x"), embedding},
	} {
		b.Run(name, func(b *testing.B) {
			o := NewOutputs(table.V2, tt.list)
			b.ReportAllocs()
			b.SetBytes(int64(len(tt.body)))
			for b.Loop() {
				r := o.Reader(http.MethodPost, 200, nil)
				r.Write(tt.body)
				r.Readings()
				r.Close()
			}
		})
	}
}
