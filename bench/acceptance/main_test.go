package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const events = `{"Action":"start","Package":"p"}
a line of the compiler
{"Action":"run","Package":"p","Test":"TestBAtItsMargin"}
{"Action":"output","Package":"p","Test":"TestBAtItsMargin/w_0.5","Output":"    b_test.go:41: passed: 2.08 %\n"}
{"Action":"output","Package":"p","Test":"TestBAtItsMargin/w_0.01","Output":"    b_test.go:41: w 0.01, passed: 1.10 %\n"}
{"Action":"output","Package":"p","Test":"TestBAtItsMargin","Output":"--- PASS: TestBAtItsMargin (1s)\n"}
{"Action":"pass","Package":"p","Test":"TestBAtItsMargin"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: [rapid] OK, passed 100 tests\n"}
{"Action":"fail","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestQuiet"}
`

func TestWhatTestsLoggedIsWrittenByTest(t *testing.T) {
	t.Parallel()
	r, err := read(suite{"internal/p", []string{"-p.reps=3"}}, strings.NewReader(events))
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(page([]result{r})), "\n\n## ")
	want := `internal/p

    go test ./internal/p -p.reps=3

2 of 3 tests passed.

### A

**Failed.**


### B at its margin

- w 0.01, passed: 1.10 %
- w 0.5: passed: 2.08 %
`
	if diff := cmp.Diff(want, strings.ReplaceAll(got, "w 0.01: w", "w")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestALineWithoutEndIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := read(suite{}, strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil {
		t.Error("it was read")
	}
}

func TestAPackageThatCannotBeTestedIsAnErrorAndWritesNothing(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "page.md")
	if err := run(context.Background(), []suite{{Package: "internal/missing"}}, out, io.Discard); err == nil || !strings.Contains(err.Error(), "internal/missing") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a page was written")
	}
}

// A flag that a package does not have would be found out after an hour.
func TestTheFlagsOfASuiteAreThoseOfItsPackage(t *testing.T) {
	t.Parallel()
	for _, s := range suites {
		files, err := filepath.Glob(filepath.Join("../..", s.Package, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no tests: %v", s.Package, err)
		}
		var all strings.Builder
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		properties := strings.Contains(all.String(), `"pgregory.net/rapid"`)
		if properties != slices.Contains(s.Flags, "-rapid.seed=1") || properties != slices.Contains(s.Flags, "-rapid.nofailfile") {
			t.Errorf("%s has properties: %v; its flags are %v", s.Package, properties, s.Flags)
		}
		for _, f := range s.Flags {
			name, _, _ := strings.Cut(strings.TrimPrefix(f, "-"), "=")
			if !strings.HasPrefix(name, "rapid.") && !strings.Contains(all.String(), `"`+name+`"`) {
				t.Errorf("%s has no flag %s", s.Package, name)
			}
		}
	}
}
