package main

import (
	"fmt"
	"strings"
	"unicode"
)

const head = `# The acceptance simulations in full size

Written by ` + "`make bench-acceptance`" + `. Each line is a figure that a test measured; the test of that name has its limits, and
` + "`make test`" + ` runs the same with fewer replications. Shares are of seeded replications: at 3 % the half-width of a 95 % interval is
about one point with 1,000 of them. [statistics.md](../statistics.md) says what the tests are tests of.
`

// page writes the figures as a document.
func page(results []result) []byte {
	var b strings.Builder
	b.WriteString(head)
	for _, r := range results {
		fmt.Fprintf(&b, "\n## %s\n\n", r.suite.Package)
		if len(r.suite.Flags) > 0 {
			fmt.Fprintf(&b, "    go test ./%s %s\n\n", r.suite.Package, strings.Join(r.suite.Flags, " "))
		}
		fmt.Fprintf(&b, "%d of %d tests passed.\n", len(r.tests)-r.failed(), len(r.tests))
		for _, t := range r.tests {
			t.write(&b)
		}
	}
	return []byte(b.String())
}

// write writes a test that measured something, or failed.
func (t *test) write(b *strings.Builder) {
	if len(t.figures) == 0 && !t.failed {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n", sentence(t.name))
	if t.failed {
		b.WriteString("**Failed.**\n\n")
	}
	for _, f := range t.figures {
		fmt.Fprintf(b, "- %s\n", f)
	}
}

// sentence makes words of a test's name: TestADifferenceAtItsMargin is "A
// difference at its margin".
func sentence(name string) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(name, "Test") {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
