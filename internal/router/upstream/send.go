package upstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// oneWrite is the largest body that is copied behind its head to be one
	// write.
	oneWrite = 16 << 10
	// sendPiece is how much of a stream is read at a time.
	sendPiece = 32 << 10
	// pieceHead is room for the size line of a chunk: 8 hex digits and CRLF.
	pieceHead = 10
)

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

var messages = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

var pieces = sync.Pool{New: func() any { b := make([]byte, pieceHead+sendPiece+2); return &b }}

// framing are the fields that the sender writes itself.
func framing(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
		return true
	}
	return false
}

// appendHead appends the head of a request.
func (e *Endpoint) appendHead(dst []byte, r *Request) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, e.prefix...)
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, e.base.Host...)
	dst = append(dst, "\r\n"...)
	for name, values := range r.Header {
		if framing(name) {
			continue
		}
		for _, v := range values {
			dst = appendField(dst, name, v)
		}
	}
	return append(appendFraming(dst, r), "\r\n"...)
}

// appendField appends one field. A line end within a value would begin a new
// field; no front lets one through, and neither does this.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	at := len(dst)
	dst = append(dst, value...)
	for i, c := range dst[at:] {
		if c == '\r' || c == '\n' {
			dst[at+i] = ' '
		}
	}
	return append(dst, "\r\n"...)
}

func appendFraming(dst []byte, r *Request) []byte {
	body := r.Body
	switch {
	case body == nil:
		if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
			dst = append(dst, "Content-Length: 0\r\n"...)
		}
		return dst
	case body.Open == nil:
		return appendLength(dst, int64(len(body.Bytes)))
	case body.Length >= 0:
		return appendLength(dst, body.Length)
	}
	dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	for name := range body.Trailer {
		dst = appendField(dst, "Trailer", name)
	}
	return dst
}

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// send writes a request. A stream goes on being sent after send has returned;
// x.sent tells when it is through.
func (x *exchange) send(r *Request) error {
	m := messages.Get().(*[]byte)
	defer messages.Put(m)
	*m = x.endpoint.appendHead((*m)[:0], r)
	var rest []byte
	if r.Body != nil && r.Body.Open == nil {
		if rest = r.Body.Bytes; len(rest) <= oneWrite {
			*m, rest = append(*m, rest...), nil
		}
	}
	if r.Body != nil && r.Body.Open != nil {
		return x.stream(*m, r.Body)
	}
	_ = x.conn.SetDeadline(time.Now().Add(x.endpoint.limits.Head))
	if _, err := x.conn.Write(*m); err != nil {
		return err
	}
	if len(rest) > 0 {
		if _, err := x.conn.Write(rest); err != nil {
			return err
		}
	}
	return nil
}

// stream writes the head and starts to send the body.
func (x *exchange) stream(head []byte, b *Body) error {
	src := b.Open()
	if src == nil {
		return &Failure{Kind: Broken, cause: errors.New("a pooled connection had been closed, and the first bytes of the body were not kept")}
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(x.endpoint.limits.Head))
	if _, err := x.conn.Write(head); err != nil {
		_ = src.Close()
		return err
	}
	x.source, x.sent = src, make(chan struct{})
	b.senders.Go(func() {
		err := x.copyBody(src, b)
		_ = src.Close()
		x.endSending(err)
	})
	return nil
}

// endSending ends a stream. The wait for the head begins with the last byte of
// the request, and a body that could not be read ends it. Where the whole answer
// has come already, the connection is free now.
func (x *exchange) endSending(err error) {
	x.mu.Lock()
	x.sendErr = err
	close(x.sent)
	if !x.answered {
		x.boundHead(err)
	}
	through := x.through
	x.mu.Unlock()
	if through {
		x.release(err == nil)
	}
}

func (x *exchange) boundHead(err error) {
	until := time.Now().Add(x.endpoint.limits.Head)
	if KindOf(err) == Unsent {
		until = past
	}
	_ = x.conn.SetReadDeadline(until)
	if x.ctx.Err() != nil {
		_ = x.conn.SetReadDeadline(past)
	}
}

func (x *exchange) copyBody(src io.Reader, b *Body) error {
	p := pieces.Get().(*[]byte)
	defer pieces.Put(p)
	left := b.Length
	for {
		n, err := src.Read((*p)[pieceHead : pieceHead+sendPiece])
		left -= int64(n)
		if n > 0 {
			if werr := x.sendPiece(*p, n, b.Length < 0); werr != nil {
				return werr
			}
		}
		if err == io.EOF && b.Length < 0 {
			return x.endChunks(b)
		}
		if err == io.EOF && left == 0 {
			return nil
		}
		if err != nil {
			return &Failure{Kind: Unsent, cause: err}
		}
	}
}

// sendPiece sends n bytes of p that follow pieceHead bytes of room.
func (x *exchange) sendPiece(p []byte, n int, chunked bool) error {
	from, to := pieceHead, pieceHead+n
	if chunked {
		var size [pieceHead]byte
		line := append(strconv.AppendInt(size[:0], int64(n), 16), '\r', '\n')
		from -= len(line)
		copy(p[from:], line)
		to += copy(p[to:], "\r\n")
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(x.endpoint.limits.Head))
	_, err := x.conn.Write(p[from:to])
	return err
}

// endChunks ends a chunked body with its trailers.
func (x *exchange) endChunks(b *Body) error {
	tail := []byte("0\r\n")
	for name, values := range b.Trailer {
		for _, v := range values {
			tail = appendField(tail, name, v)
		}
	}
	_, err := x.conn.Write(append(tail, "\r\n"...))
	return err
}

// sending reports whether the request is still being sent, without waiting.
func (x *exchange) sending() bool {
	if x.sent == nil {
		return false
	}
	select {
	case <-x.sent:
		return false
	default:
		return true
	}
}

// unsent returns the failure of the caller's side of the body, if that is why
// the exchange failed.
func (x *exchange) unsent() error {
	if x.sent != nil && !x.sending() && KindOf(x.sendErr) == Unsent {
		return x.sendErr
	}
	return nil
}
