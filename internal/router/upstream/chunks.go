package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// chunks reads the chunked coding of RFC 9112 section 7.1.
type chunks struct {
	limit   int   // bytes of a size line, and of all trailers
	left    int64 // of the chunk at hand
	begun   bool  // a chunk was begun, so its CRLF is due
	ended   bool
	trailer http.Header
}

// read returns bytes of the body; io.EOF after the last chunk and its trailers.
func (c *chunks) read(br *bufio.Reader, p []byte) (int, error) {
	if c.left == 0 {
		if err := c.next(br); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := br.Read(p)
	c.left -= int64(n)
	return n, err
}

// next begins the next chunk.
func (c *chunks) next(br *bufio.Reader) error {
	l := &lines{br: br, left: c.limit, crlf: true}
	if c.begun {
		line, err := l.next()
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return malformed("a chunk of the answer is longer than its size")
		}
	}
	line, err := l.next()
	if err != nil {
		return err
	}
	size, err := chunkSize(line)
	if err != nil {
		return err
	}
	c.begun, c.left = true, size
	if size > 0 {
		return nil
	}
	return c.end(l)
}

// end reads the trailers.
func (c *chunks) end(l *lines) error {
	err := readFields(l, func(name string, value []byte) error {
		if framing(name) {
			return nil
		}
		if c.trailer == nil {
			c.trailer = http.Header{}
		}
		c.trailer[name] = append(c.trailer[name], string(value))
		return nil
	})
	if err != nil {
		return err
	}
	c.ended = true
	return io.EOF
}

// chunkSize reads a size line; extensions are ignored, as RFC 9112 asks.
func chunkSize(line []byte) (int64, error) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 {
		return 0, malformed("a chunk of the answer has no size, or too large a one")
	}
	var n int64
	for _, d := range digits {
		v := hexValue(d)
		if v < 0 {
			return 0, malformed("the size of a chunk of the answer is no number")
		}
		n = n<<4 | int64(v)
	}
	return n, nil
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
