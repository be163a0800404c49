package spec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// TestHostileFilesAreRefusedQuickly feeds the parser what is cheap to write and
// dear to read. All of it must be answered within seconds on a slow machine.
func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
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
		"one byte too many":            strings.Repeat("#", size+1),
		"a long key over many entries": strings.Repeat("k", 100_000) + ":\n" + strings.Repeat("  - a\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, _, err := spec.Parse("f", []byte(text))
			if err == nil {
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
		_, _, err := spec.Parse("f", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("Parse says %.200v, want %s", err, want)
		}
	}
	if _, _, err := spec.Parse("f", []byte(strings.Repeat("# a comment\n", 1<<20/12)+"---\n"+policyDoc("p", "  extends: standard\n"))); err == nil {
		t.Error("the bound of the size has gone")
	}
	if _, _, err := spec.Parse("f", []byte(strings.Repeat("# a comment\n", 80_000)+"---\n"+policyDoc("p", "  extends: standard\n"))); err != nil {
		t.Errorf("a long file of comments with a policy: %v", err)
	}
}

// TestManyProblemsComeInTheOrderOfTheFile also shows that none is lost.
func TestManyProblemsComeInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for range 30 {
		b.WriteString("    - {weight: 10, dwell: 5, colour: red}\n")
	}
	_, _, err := spec.Parse("f", []byte(policyDoc("p", "  stages:\n"+b.String())))
	problems, _ := err.(spec.Problems) //nolint:errorlint // Parse returns Problems, unwrapped.
	if len(problems) != 90 {
		t.Fatalf("%d problems, want 90", len(problems))
	}
	for i, p := range problems[1:] {
		if before := problems[i]; p.Line < before.Line || p.Line == before.Line && p.Column < before.Column {
			t.Errorf("%v comes after %v", p, before)
		}
	}
}
