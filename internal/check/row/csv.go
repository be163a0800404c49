package row

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxJoined is how many records may break in the midst of a quoted field before
// each line of a file is taken for a record of its own. A quote that is never
// closed would otherwise be searched for anew on every line.
const maxJoined = 100

// table reads a file of separated fields (RFC 4180). A quoted field may hold line
// breaks. A quote within a field that did not begin with one stands for itself.
type table struct {
	lines
	separator byte
	fields    int
	broken    int // records that never ended
	// skipped says that a line too long to keep was met in the midst of a record
	// that never ended. It is named once the lines before it were read again.
	skipped bool
	record  []byte
	split   []string
}

// next returns the fields of the next record that is not blank. They are valid
// until the next call.
func (t *table) next() (fields []string, line int, bad Reason, err error) {
	for {
		if t.skipped && len(t.back) == 0 {
			t.skipped = false
			t.line++
			return nil, t.line, TooLong, nil
		}
		text, tooLong, err := t.lines.next()
		if err != nil {
			return nil, 0, "", err
		}
		line = t.line
		if tooLong {
			return nil, line, TooLong, nil
		}
		if blank(text) {
			continue
		}
		t.record = append(t.record[:0], text...)
		state := lineEnded
		if bytes.IndexByte(text, '"') >= 0 {
			state = t.scan(text, atStart)
		}
		if state == inQuotes && t.broken < maxJoined {
			state, err = t.join()
			if err != nil {
				return nil, 0, "", err
			}
		}
		if state == inQuotes || state == isBroken {
			return nil, line, BrokenQuotes, nil
		}
		if bad := checkText(t.record); bad != "" {
			return nil, line, bad, nil
		}
		t.cut(string(trimEnd(t.record)))
		if t.fields > 0 && len(t.split) != t.fields {
			return t.split, line, WrongFieldCount, nil
		}
		return t.split, line, "", nil
	}
}

// join adds lines to the record until its quotes are closed. Where they never
// are, or in a way that cannot be, all lines but the first are given back: it is
// more likely that the first lacks a quote than that the others do.
func (t *table) join() (quoting, error) {
	first := len(t.record)
	for !t.skipped || len(t.back) > 0 {
		text, tooLong, err := t.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return isBroken, err
		}
		if tooLong {
			t.skipped = true
			t.line--
			break
		}
		if len(t.record)+len(text) > MaxLength {
			t.giveBack(text)
			break
		}
		t.record = append(t.record, text...)
		state := t.scan(text, inQuotes)
		if state == isBroken {
			break
		}
		if state != inQuotes {
			return state, nil
		}
	}
	t.giveBack(t.record[first:])
	t.broken++
	return isBroken, nil
}

// quoting is where in a record a scan stands.
type quoting uint8

const (
	atStart   quoting = iota // of a field
	inField                  // that has no quotes
	inQuotes                 // of a quoted field
	afterOne                 // quote in a quoted field: its end, or the first of two
	isBroken                 // text after the end of a quoted field
	lineEnded                // outside of quotes
)

// scan follows the quotes of a line.
func (t *table) scan(line []byte, state quoting) quoting {
	for i := 0; i < len(line); i++ {
		if state == inQuotes { // Most of the time nothing is to be seen up to the next quote.
			at := bytes.IndexByte(line[i:], '"')
			if at < 0 {
				return inQuotes
			}
			i += at
		}
		switch c := line[i]; state {
		case atStart:
			state = t.begun(c)
		case inField:
			if c == t.separator {
				state = atStart
			}
		case inQuotes:
			state = afterOne
		case afterOne:
			state = t.ended(c)
		case isBroken, lineEnded:
			return state
		}
	}
	if state == inQuotes || state == isBroken {
		return state
	}
	return lineEnded
}

// begun is the state after the first byte of a field.
func (t *table) begun(c byte) quoting {
	switch c {
	case '"':
		return inQuotes
	case t.separator:
		return atStart
	}
	return inField
}

// ended is the state after a quote in a quoted field and one more byte.
func (t *table) ended(c byte) quoting {
	switch c {
	case '"':
		return inQuotes
	case t.separator:
		return atStart
	case '\r', '\n':
		return afterOne
	}
	return isBroken
}

// cut splits a record whose quotes are sound.
func (t *table) cut(record string) {
	t.split = t.split[:0]
	for {
		if !strings.HasPrefix(record, `"`) {
			field, rest, more := strings.Cut(record, string(t.separator))
			t.split = append(t.split, field)
			if !more {
				return
			}
			record = rest
			continue
		}
		end := 1
		for end < len(record) && (record[end] != '"' || end+1 < len(record) && record[end+1] == '"') {
			if record[end] == '"' {
				end++
			}
			end++
		}
		t.split = append(t.split, strings.ReplaceAll(record[1:min(end, len(record))], `""`, `"`))
		if end+1 >= len(record) {
			return
		}
		record = record[end+2:]
	}
}

// separators are tried in this order.
const separators = ",;\t|"

// separatorOf finds out what separates the names of a header.
func separatorOf(header []byte) byte {
	for i := range len(separators) {
		if bytes.IndexByte(header, separators[i]) >= 0 {
			return separators[i]
		}
	}
	return ','
}
