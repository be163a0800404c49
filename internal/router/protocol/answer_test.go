package protocol

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const good = `{"model_name":"m","model_version":"1","id":"42","outputs":[{"name":"y","shape":[2,1],"datatype":"FP32","data":[0.25,-1e-3]}]}`

// check feeds an answer in pieces of a size.
func check(status int, header http.Header, body string, piece int) bool {
	a := NewAnswer(status, header)
	for len(body) > 0 {
		n := min(piece, len(body))
		a.Write([]byte(body[:n]))
		body = body[n:]
	}
	return a.Broken()
}

func TestAnswersThatTheProtocolAllows(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"an answer":                         good,
		"white space around everything":     " \r\n\t{ \"outputs\" : [ ] , \"id\" : \"x\" } \n",
		"outputs in the middle":             `{"id":"a","outputs":[{}],"parameters":{"a":{"b":[[[1]]]}}}`,
		"no outputs of their own":           `{"outputs":[]}`,
		"numbers that Python writes":        `{"outputs":[{"data":[NaN,Infinity,-Infinity,1E+5,0.1]}]}`,
		"literals":                          `{"outputs":[{"data":[true,false,null]}]}`,
		"quotes and braces within strings":  `{"id":"}\"]{\\","outputs":[{"data":["\\\"","}"]}]}`,
		"bytes of any script":               `{"id":"数字 – é","outputs":[]}`,
		"an escape in a key":                `{"a\u0062c":1,"outputs":[]}`,
		"outputs also deeper":               `{"parameters":{"outputs":3},"outputs":[]}`,
		"nesting too deep to follow":        `{"outputs":[` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `]}`,
		"longer than is checked, then junk": `{"outputs":[` + strings.Repeat(" ", checkLimit) + `?`,
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 2, 7, 1 << 20} {
				if check(http.StatusOK, nil, body, piece) {
					t.Errorf("broken when read %d bytes at a time", piece)
				}
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":                   "",
		"an error page":             "<html><body>Internal error</body></html>",
		"plain text":                "upstream timed out",
		"no object":                 `[{"outputs":[]}]`,
		"a string":                  `"outputs"`,
		"an object without outputs": `{"model_name":"m","error":"no such tensor"}`,
		"outputs that are no list":  `{"outputs":{"y":1}}`,
		"outputs that are null":     `{"outputs":null}`,
		"outputs only deeper":       `{"parameters":{"outputs":[]}}`,
		"outputs only as a value":   `{"id":"outputs"}`,
		"a longer key":              `{"outputs2":[]}`,
		"a shorter key":             `{"output":[]}`,
		"cut within the list":       good[:len(good)-2],
		"cut before the last brace": good[:len(good)-1],
		"cut within a string":       `{"outputs":[],"id":"4`,
		"two answers":               good + good,
		"rubbish behind":            good + "x",
		"a comma too many":          `{"outputs":[],}`,
		"a missing comma":           `{"id":"1" "outputs":[]}`,
		"a missing colon":           `{"outputs"[]}`,
		"the wrong bracket":         `{"outputs":[}]`,
		"a key without quotes":      `{outputs:[]}`,
		"a misspelled literal":      `{"outputs":[],"a":tru}`,
		"an unknown word":           `{"outputs":[],"a":undefined}`,
		"a comma in front":          `{,"outputs":[]}`,
		"zero bytes":                "\x00\x00\x00\x00",
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 3, 1 << 20} {
				if !check(http.StatusOK, nil, body, piece) {
					t.Errorf("passed when read %d bytes at a time", piece)
				}
			}
		})
	}
}

func TestAnswersThatCannotBeJudgedPass(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		header http.Header
		body   string
		want   bool
	}{
		"an error has a body of its own":       {http.StatusBadRequest, nil, `{"error":"no"}`, false},
		"no content":                           {http.StatusNoContent, nil, "", false},
		"compressed":                           {http.StatusOK, http.Header{"Content-Encoding": {"gzip"}}, "\x1f\x8b", false},
		"binary tensors behind the JSON":       {http.StatusOK, tensors(len(`{"outputs":[]}`)), `{"outputs":[]}` + "\x00\xff{{{", false},
		"binary tensors behind broken JSON":    {http.StatusOK, tensors(len(`{"outputs":[}]`)), `{"outputs":[}]` + "\x00", true},
		"binary tensors behind no JSON at all": {http.StatusOK, tensors(50), "\x00\xff", true},
		"a JSON part that was cut":             {http.StatusOK, tensors(50), `{"outputs":[]`, true},
		"a length that is no number":           {http.StatusOK, http.Header{"Inference-Header-Content-Length": {"x"}}, "\x00", false},
		"a JSON part too long to check":        {http.StatusOK, tensors(checkLimit + 1), "?", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 1 << 20} {
				if got := check(tt.status, tt.header, tt.body, piece); got != tt.want {
					t.Errorf("broken %v, want %v", got, tt.want)
				}
			}
		})
	}
}

func tensors(n int) http.Header {
	return http.Header{"Inference-Header-Content-Length": {fmt.Sprint(n)}}
}

// Any answer that encoding/json writes passes, and none of its beginnings does.
func TestWhatAServerEncodesPassesAndItsBeginningsDoNot(t *testing.T) {
	t.Parallel()
	leaf := rapid.OneOf(rapid.Float64().AsAny(), rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Just(any(nil)))
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.MapOf(rapid.String(), leaf).Draw(t, "fields")
		body["outputs"] = rapid.SliceOf(rapid.MapOf(rapid.String(), rapid.SliceOf(leaf))).Draw(t, "outputs")
		if body["outputs"] == nil || len(body["outputs"].([]map[string][]any)) == 0 {
			body["outputs"] = []int{}
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		piece := rapid.IntRange(1, 40).Draw(t, "piece")
		if check(http.StatusOK, nil, string(text), piece) {
			t.Fatalf("broken: %s", text)
		}
		cut := rapid.IntRange(0, len(text)-1).Draw(t, "cut")
		if !check(http.StatusOK, nil, string(text[:cut]), piece) {
			t.Fatalf("passed though cut: %s", text[:cut])
		}
	})
}

// FuzzAnswer: the verdict does not depend on how the bytes arrive, and what
// encoding/json reads as an object with a list of outputs is never broken.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{good, "", "{}", `{"outputs":[]}`, `{"a\\":[1,{}],"outputs":[null]}`, "<html>", `{"outputs":[NaN]}`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, body []byte, piece int) {
		if piece <= 0 || len(body) > 1<<16 {
			return
		}
		whole := check(http.StatusOK, nil, string(body), len(body)+1)
		if parts := check(http.StatusOK, nil, string(body), piece); parts != whole {
			t.Fatalf("broken %v as a whole and %v in pieces of %d", whole, parts, piece)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil || object == nil {
			return
		}
		// encoding/json takes the last of doubled keys, and folds escapes; the
		// check takes any plain one.
		if out, ok := object["outputs"]; ok && len(out) > 0 && out[0] == '[' && whole && !strings.Contains(string(body), `\u`) {
			t.Fatalf("broken: %s", body)
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	var data []string
	for i := range 1000 {
		data = append(data, fmt.Sprintf("%.6f", float64(i)/7))
	}
	body := []byte(`{"model_name":"m","outputs":[{"name":"y","shape":[1000],"datatype":"FP32","data":[` + strings.Join(data, ",") + `]}]}`)
	header := http.Header{}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a := NewAnswer(http.StatusOK, header)
		a.Write(body)
		if a.Broken() {
			b.Fatal("broken")
		}
	}
}
