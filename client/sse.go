package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxMessage bounds one server-sent event.
const maxMessage = 8 << 20

// message is one server-sent event.
type message struct {
	id   string
	data []byte
}

// reader reads server-sent events as the HTML standard has them, less what this
// client needs not: the event's name is also in its data, and the server never
// asks for another pause.
type reader struct {
	lines *bufio.Reader
}

func newReader(r io.Reader) *reader { return &reader{lines: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next message that carries data. It calls alive for every
// line, signs of life included. A message that the stream broke off in is
// dropped: the server sends it again.
func (r *reader) next(alive func()) (message, error) {
	var m message
	for {
		line, err := r.line()
		if err != nil {
			return message{}, err
		}
		alive()
		if len(line) == 0 {
			if m.data != nil {
				return m, nil
			}
			m = message{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			m.id = string(value)
		case "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
		}
		if len(m.data) > maxMessage {
			return message{}, errTooLong
		}
	}
}

var errTooLong = errors.New("an event is too long")

// line reads one line without its end, of bounded length.
func (r *reader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxMessage:
			return nil, errTooLong
		}
	}
}
