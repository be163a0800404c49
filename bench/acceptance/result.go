package main

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// maxLine bounds one event of the go command.
const maxLine = 1 << 20

// result is what the tests of a suite said.
type result struct {
	suite suite
	tests []*test
}

// test is one test function with its sub-tests, in the order in which they spoke.
type test struct {
	name    string
	figures []string
	failed  bool
}

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action string
	Test   string
	Output string
}

// figure is a line that a test logged, less its place in the source.
var figure = regexp.MustCompile(`^ +\w+_test\.go:\d+: (.*)\n$`)

// read collects what the tests logged.
func read(s suite, events io.Reader) (result, error) {
	r := result{suite: s}
	byName := map[string]*test{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue // What the compiler says, and what is said of the package.
		}
		name, sub, _ := strings.Cut(e.Test, "/")
		t := byName[name]
		if t == nil {
			t = &test{name: name}
			byName[name] = t
			r.tests = append(r.tests, t)
		}
		t.failed = t.failed || e.Action == "fail"
		if m := figure.FindStringSubmatch(e.Output); m != nil && !strings.HasPrefix(m[1], "[rapid]") {
			t.figures = append(t.figures, prefixed(strings.ReplaceAll(sub, "_", " "), m[1]))
		}
	}
	for _, t := range r.tests {
		slices.Sort(t.figures) // Sub-tests run beside each other.
	}
	slices.SortFunc(r.tests, func(a, b *test) int { return strings.Compare(a.name, b.name) })
	return r, lines.Err()
}

func prefixed(sub, text string) string {
	if sub == "" || strings.HasPrefix(text, sub) {
		return text
	}
	return sub + ": " + text
}

func (r result) figures() int {
	n := 0
	for _, t := range r.tests {
		n += len(t.figures)
	}
	return n
}

func (r result) failed() int {
	n := 0
	for _, t := range r.tests {
		if t.failed {
			n++
		}
	}
	return n
}
