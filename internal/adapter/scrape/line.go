package scrape

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/belay-rollouts/belay/internal/core/query"
)

// chosen are the lines of a page whose names are selected, in the plain text
// format: without comments, timestamps and exemplars.
type chosen struct {
	text    bytes.Buffer
	numbers []int // of the lines on the page
}

// maxLine bounds one line.
const maxLine = 1 << 20

// choose reads a page and keeps the lines that may be selected. A line that is
// none of metrics ends it.
func choose(r io.Reader, want []query.Selector) (*chosen, error) {
	names := map[string]bool{}
	for _, s := range want {
		names[s.Name] = true
	}
	out := &chosen{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	scanner.Split(splitLine)
	number := 0
	for scanner.Scan() {
		number++
		if err := out.line(scanner.Bytes(), number, names); err != nil {
			return nil, err
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d of its page has more than %d MiB", number+1, maxLine>>20)
	case err != nil:
		return nil, err
	}
	return out, nil
}

// splitLine splits lines. The format wants the last one to have an end, too: one
// that has none may be half of a number.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// line looks at one line.
func (c *chosen) line(line []byte, number int, names map[string]bool) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] == '#' {
		return nil
	}
	n := nameLength(line)
	if n == 0 {
		return unnamed(line, number)
	}
	if !names[string(line[:n])] {
		return nil
	}
	if len(c.numbers) == MaxSeries {
		return fmt.Errorf("more than %d of its series are selected: select fewer by their labels", MaxSeries)
	}
	labels, rest, ok := cutLabels(line[n:])
	fields := bytes.Fields(rest) // The value, and then a timestamp or an exemplar.
	if !ok || len(fields) == 0 {
		return fmt.Errorf("line %d of its page is no metric: %s", number, clip(string(line[:min(len(line), 60)])))
	}
	c.text.Write(line[:n])
	c.text.Write(labels)
	c.text.WriteByte(' ')
	c.text.Write(fields[0])
	c.text.WriteByte('\n')
	c.numbers = append(c.numbers, number)
	return nil
}

// unnamed tells what begins with no name. Names in quotes (UTF-8 names) stand
// within the braces; they cannot be selected.
func unnamed(line []byte, number int) error {
	switch line[0] {
	case '{':
		if len(line) > 1 && line[1] == '"' {
			return nil
		}
	case '<':
		return errHTML
	}
	return fmt.Errorf("line %d of its page is no metric: %s", number, clip(string(line[:min(len(line), 60)])))
}

// nameLength is the length of the name that a line begins with.
func nameLength(line []byte) int {
	for i, c := range line {
		letter := c == '_' || c == ':' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(line)
}

// cutLabels cuts what follows a name behind its labels, if there are any. It
// reports false when they are not closed.
func cutLabels(s []byte) (labels, rest []byte, ok bool) {
	s = bytes.TrimSpace(s)
	if len(s) == 0 || s[0] != '{' {
		return nil, s, true
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return s[:i+1], s[i+1:], true
		}
	}
	return nil, nil, false
}
