package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files testdata/*.txt hold cases: a title, the input, and what Parse says
// of it.
//
//	== a title that is a sentence
//	input
//	=>
//	problems and warnings, or "ok"
//
// A first line @model, @policy or @rollout stands for the four lines before the
// fields of spec, so that the first line of the rest is line 5 of the file.
// `go test -update` writes what is below the arrows.

const (
	titleMark  = "== "
	answerMark = "=>\n"
)

type goldenCase struct{ title, input, answer string }

func readCases(t *testing.T, file string) []goldenCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	for _, block := range strings.Split("\n"+string(data), "\n"+titleMark)[1:] {
		title, rest, _ := strings.Cut(block, "\n")
		input, answer, ok := strings.Cut("\n"+rest, "\n"+answerMark)
		if !ok {
			t.Fatalf("%s: the case %q has no line =>", file, title)
		}
		cases = append(cases, goldenCase{title, strings.TrimPrefix(input, "\n") + "\n", strings.TrimRight(answer, "\n") + "\n"})
	}
	return cases
}

func writeCases(t *testing.T, file string, cases []goldenCase) {
	t.Helper()
	var b strings.Builder
	for i, c := range cases {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(titleMark + c.title + "\n" + c.input + answerMark + c.answer)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// expandCase writes the lines that @model, @policy and @rollout stand for.
func expandCase(input string) string {
	for macro, lines := range map[string]string{
		"@model\n":   "apiVersion: belay.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\nspec:\n",
		"@policy\n":  "apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n",
		"@rollout\n": "apiVersion: belay.dev/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec:\n",
	} {
		input = strings.ReplaceAll(input, macro, lines)
	}
	return strings.NewReplacer("<TAB>", "\t", "<NUL>", "\x00", "<BAD>", "\xff", "<BOM>", "\ufeff", "<CR>", "\r").Replace(input)
}

// answerOf is what Parse says, one line each. Of a file that is good it also
// says what Unsupported names of its rollouts, where the title asks for it.
func answerOf(input string, refusals bool) string {
	f, warnings, err := Parse("f", []byte(expandCase(input)))
	var b strings.Builder
	if err != nil {
		b.WriteString(err.Error() + "\n")
	}
	for _, w := range warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", w.Caution, w.Error())
	}
	if refusals && err == nil {
		b.WriteString(refusalsOf(f))
	}
	if b.Len() == 0 {
		return "ok\n"
	}
	return b.String()
}

// refusalsOf names what this version cannot run of the models and rollouts.
func refusalsOf(f File) string {
	var b strings.Builder
	for _, m := range f.Models {
		for _, p := range UnsupportedModel(m) {
			b.WriteString("refused " + p.Error() + "\n")
		}
	}
	policies := func(name string) (Policy, bool) {
		for _, p := range f.Policies {
			if p.Name == name {
				return p, true
			}
		}
		return Policy{}, false
	}
	for _, r := range f.Rollouts {
		resolved, _, err := Resolve(f.Models[0], r, policies)
		if err != nil {
			b.WriteString(err.Error() + "\n")
			continue
		}
		refusals, warnings := Unsupported(resolved)
		for _, p := range refusals {
			b.WriteString("refused " + p.Error() + "\n")
		}
		for _, w := range warnings {
			fmt.Fprintf(&b, "warning %s: %s\n", w.Caution, w.Error())
		}
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		refusals := filepath.Base(file) == "unsupported.txt"
		cases := readCases(t, file)
		if *update {
			for i := range cases {
				cases[i].answer = answerOf(cases[i].input, refusals)
			}
			writeCases(t, file, cases)
			continue
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.title, func(t *testing.T) {
				t.Parallel()
				if diff := cmp.Diff(c.answer, answerOf(c.input, refusals)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}
