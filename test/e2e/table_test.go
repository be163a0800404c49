package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table in docs/contributing/testing.md names the tests of what must never
// happen. Each of them is there: a test that guards a promise is not lost when
// its package changes.
func TestEveryTestThatTheTableNamesIsThere(t *testing.T) {
	t.Parallel()
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs/contributing/testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## What must never happen")
	section, _, _ = strings.Cut(section, "\n## ")
	folder, test := regexp.MustCompile("^`([^`]+)`$"), regexp.MustCompile(`^Test\w+$`)
	in, named := "", 0
	for _, word := range strings.FieldsFunc(section, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '|' }) {
		if m := folder.FindStringSubmatch(word); m != nil {
			in = m[1]
		}
		if !test.MatchString(word) {
			continue
		}
		named++
		if !declares(t, filepath.Join(root, in), word) {
			t.Errorf("%s has no test %s", in, word)
		}
	}
	if named < 20 {
		t.Errorf("the table names %d tests only", named)
	}
}

// declares reports whether a test of that name is in the folder.
func declares(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := fs.Glob(os.DirFS(folder), "*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
