package row

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Format is how the rows of a file are written.
type Format string

// The formats.
const (
	CSV   Format = "csv"
	JSONL Format = "jsonl"
)

// headSize is how much of a file is looked at to learn its format and, for JSON,
// its names.
const headSize = 256 << 10

// Reader reads the rows of one file.
type Reader struct {
	name    string
	format  Format
	names   []string
	chosen  []int // fields of a CSV row; -1 for one that the file does not have
	table   *table
	objects *objects
	number  int
	values  []Value
}

// Open begins to read a file. name stands for it in errors. An empty file has no
// names and no rows.
func Open(name string, in io.Reader) (*Reader, error) {
	plain, err := unpacked(name, in)
	if err != nil {
		return nil, err
	}
	head, err := plain.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, broken(name, err)
	}
	atEnd := err != nil
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		head = head[3:]
		_, _ = plain.Discard(3) // It was peeked at.
	}
	if err := foreign(name, head); err != nil {
		return nil, err
	}
	r := &Reader{name: name, format: CSV}
	switch start := bytes.TrimLeft(head, " \t\r\n"); {
	case len(start) > 0 && start[0] == '{':
		r.format = JSONL
		r.objects = &objects{lines: lines{in: plain}}
		if !atEnd {
			head = head[:bytes.LastIndexByte(head, '\n')+1] // The last line goes on.
		}
		r.names = keys(head)
	case len(start) > 0 && start[0] == '[':
		return nil, problem.New(problem.Invalid, "%s is one JSON array; write one object a line (jq -c '.[]')", name)
	default:
		if r.table, r.names, err = header(name, plain, start); err != nil {
			return nil, err
		}
	}
	return r, r.Select(nil)
}

// unpacked reads through gzip where the file is packed.
func unpacked(name string, in io.Reader) (*bufio.Reader, error) {
	packed := bufio.NewReader(in)
	if magic, err := packed.Peek(2); err != nil && !errors.Is(err, io.EOF) {
		return nil, broken(name, err)
	} else if string(magic) != "\x1f\x8b" {
		return bufio.NewReaderSize(packed, headSize), nil
	}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return nil, broken(name, err)
	}
	return bufio.NewReaderSize(unzipped, headSize), nil
}

// foreign refuses files of other kinds.
func foreign(name string, head []byte) error {
	const asText = "write it as CSV or as JSON lines, in UTF-8"
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return problem.New(problem.Invalid, "%s is UTF-16; %s", name, asText)
	case bytes.HasPrefix(head, []byte("PAR1")):
		return problem.New(problem.Invalid, "%s is Parquet; %s", name, asText)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return problem.New(problem.Invalid, "%s is packed by zstd; unpack it, or pack it by gzip", name)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return problem.New(problem.Invalid, "%s is a zip archive; unpack it, or pack it by gzip", name)
	case bytes.IndexByte(head[:min(len(head), 4096)], 0) >= 0:
		return problem.New(problem.Invalid, "%s is no text; %s", name, asText)
	}
	return nil
}

func broken(name string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New(problem.Invalid, "%s is cut off: %w", name, err)
	}
	return problem.New(problem.Invalid, "read %s: %w", name, err)
}

// header reads the names of a CSV file.
func header(name string, in *bufio.Reader, head []byte) (*table, []string, error) {
	first, _, _ := bytes.Cut(head, []byte{'\n'})
	t := &table{lines: lines{in: in}, separator: separatorOf(first)}
	fields, _, bad, err := t.next()
	switch {
	case errors.Is(err, io.EOF):
		return t, nil, nil
	case err != nil:
		return nil, nil, broken(name, err)
	case bad != "":
		return nil, nil, problem.New(problem.Invalid, "%s: the names of the columns in its first line cannot be read (%s)", name, bad)
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = strings.TrimSpace(f)
	}
	t.fields = len(names)
	return t, names, nil
}

// Format returns how the file is written.
func (r *Reader) Format() Format { return r.format }

// Names returns the names of the columns: the header of a CSV file, or the keys
// that the first rows of JSON have.
func (r *Reader) Names() []string { return slices.Clone(r.names) }

// Select sets the columns whose values are read, by name. What the file does not
// have is missing in each row. Of a file of JSON a name may be a JSON pointer,
// such as /answer/label. A name that stands twice in a header is an error.
func (r *Reader) Select(names []string) error {
	r.values = make([]Value, len(names))
	if r.objects != nil {
		r.objects.choose(slices.Clone(names))
		return nil
	}
	r.chosen = make([]int, len(names))
	for i, name := range names {
		r.chosen[i] = slices.Index(r.names, name)
		if at := r.chosen[i]; at >= 0 && slices.Contains(r.names[at+1:], name) {
			return fmt.Errorf("two columns are named %q", name)
		}
	}
	return nil
}

// Next returns the next row that is not blank; its values are valid until the next
// call. A row that cannot be read is no error: it says why. The error is io.EOF
// after the last row, and another one when the file is broken.
func (r *Reader) Next() (Row, error) {
	clear(r.values)
	row, err := r.next()
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Row{}, io.EOF
	}
	if err != nil {
		return Row{}, broken(r.name, err)
	}
	r.number++
	row.Number, row.Values = r.number, r.values
	return row, nil
}

func (r *Reader) next() (Row, error) {
	if r.objects != nil {
		line, bad, err := r.objects.next(r.values)
		return Row{Line: line, Bad: bad}, err
	}
	fields, line, bad, err := r.table.next()
	if err != nil || bad != "" {
		return Row{Line: line, Bad: bad}, err
	}
	for i, at := range r.chosen {
		if at >= 0 {
			r.values[i] = textValue(fields[at])
		}
	}
	return Row{Line: line}, nil
}
