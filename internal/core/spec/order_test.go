package spec_test

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

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
