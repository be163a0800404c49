package spec

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse shows that no bytes break the parser, that every problem has a
// place and says something, and that what is read can be written and read again.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for _, c := range readCases(&testing.T{}, file) {
			f.Add([]byte(expandCase(c.input)))
		}
	}
	for _, p := range Presets() {
		f.Add(p.YAML())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, warnings, err := Parse("f", data)
		for _, w := range warnings {
			if w.Caution == "" || w.Line < 1 || w.Message == "" {
				t.Errorf("a warning without a place or a word: %+v", w)
			}
		}
		if err != nil {
			checkProblems(t, err)
			return
		}
		checkStable(t, file)
		checkResolves(t, file)
	})
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("%T is no list of problems", err)
	}
	for _, p := range problems {
		wholeFile := strings.HasPrefix(p.Message, "the file has ")
		if p.File != "f" || !wholeFile && (p.Line < 1 || p.Column < 1) || p.Message == "" || p.Hint == "" {
			t.Errorf("a problem without a place or a word: %+v", p)
		}
		if strings.ContainsAny(p.Error(), "\n\r\x00") {
			t.Errorf("a problem of several lines: %q", p.Error())
		}
	}
}

func checkStable(t *testing.T, file File) {
	t.Helper()
	text := file.YAML()
	again, _, err := Parse("f", text)
	if err != nil {
		t.Fatalf("cannot read what was written: %v\n%s", err, text)
	}
	if diff := cmp.Diff(file, again); diff != "" {
		t.Errorf("(-read +again)\n%s\n%s", diff, text)
	}
	if second := again.YAML(); string(second) != string(text) {
		t.Errorf("written twice, it differs:\n%s\n%s", text, second)
	}
}

func checkResolves(t *testing.T, file File) {
	t.Helper()
	policies := func(name string) (Policy, bool) {
		for _, p := range file.Policies {
			if p.Name == name {
				return p, true
			}
		}
		return Policy{}, false
	}
	for _, m := range file.Models {
		UnsupportedModel(m)
		for _, r := range file.Rollouts {
			resolved, _, err := Resolve(m, r, policies)
			if err != nil {
				continue
			}
			Unsupported(resolved)
			data, err := json.Marshal(resolved)
			if err != nil {
				t.Fatal(err)
			}
			var back Resolved
			if err := json.Unmarshal(data, &back); err != nil {
				t.Fatalf("%v in\n%s", err, data)
			}
			if diff := cmp.Diff(resolved, back); diff != "" {
				t.Errorf("(-resolved +back)\n%s", diff)
			}
		}
	}
}
