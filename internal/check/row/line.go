package row

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxLength is the length of a row, in bytes, that is read; a longer one is
// skipped and named.
const MaxLength = 1 << 20

// lines reads lines of bounded length. What was read can be given back.
type lines struct {
	in *bufio.Reader
	// back is what was given back, to be read first.
	back []byte
	line int // of the file, as far as it was read
	buf  []byte
}

// next returns the next line with its end. A line that is longer than MaxLength
// is skipped; the answer is its beginning then, and true. The bytes are valid
// until the next call. At the end of the file the error is io.EOF.
func (l *lines) next() (line []byte, tooLong bool, err error) {
	l.buf = l.buf[:0]
	for {
		chunk, err := l.chunk()
		if room := MaxLength - len(l.buf); len(chunk) > room {
			chunk, tooLong = chunk[:room], true
		}
		l.buf = append(l.buf, chunk...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(l.buf) == 0:
			return nil, false, err
		case err != nil && !errors.Is(err, io.EOF):
			return nil, false, err // Part of a line is no line when the file is broken.
		}
		l.line++
		return l.buf, tooLong, nil
	}
}

// chunk returns bytes up to the end of a line, or part of a long one with
// bufio.ErrBufferFull.
func (l *lines) chunk() ([]byte, error) {
	if len(l.back) == 0 {
		return l.in.ReadSlice('\n')
	}
	if end := bytes.IndexByte(l.back, '\n'); end >= 0 {
		chunk := l.back[:end+1]
		l.back = l.back[end+1:]
		return chunk, nil
	}
	chunk := l.back
	l.back = nil
	return chunk, bufio.ErrBufferFull // It goes on in the file.
}

// giveBack returns lines to be read again.
func (l *lines) giveBack(text []byte) {
	l.line -= bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		l.line--
	}
	l.back = append(bytes.Clone(text), l.back...)
}

// trimEnd cuts the end of a line off.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// blank reports whether a line has nothing on it.
func blank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }
