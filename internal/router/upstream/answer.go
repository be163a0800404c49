package upstream

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// errClosed is what reading an answer gives after Close.
var errClosed = errors.New("the answer was closed")

// answerBody reads the body of an answer in its framing.
type answerBody struct {
	x       *exchange
	keep    bool // the connection may carry another request afterwards
	left    int64
	chunks  *chunks
	toClose bool
	answer  *Answer // for trailers
	err     error   // sticky
}

// Read returns what has arrived, without waiting for more.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.x.conn.br.Buffered() == 0 {
		_ = b.x.conn.SetReadDeadline(time.Now().Add(b.x.endpoint.limits.Silence))
		if b.x.ctx.Err() != nil {
			return 0, b.fail(b.x.ctx.Err())
		}
	}
	n, err := b.read(p)
	if err != nil {
		return n, err
	}
	return n, nil
}

func (b *answerBody) read(p []byte) (int, error) {
	switch {
	case b.chunks != nil:
		return b.readChunks(p)
	case b.toClose:
		n, err := b.x.conn.br.Read(p)
		if errors.Is(err, io.EOF) {
			b.finish()
			return n, io.EOF
		}
		return n, b.fail(err)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.x.conn.br.Read(p)
	if b.left -= int64(n); b.left == 0 {
		b.finish()
		return n, nil
	}
	return n, b.fail(err)
}

func (b *answerBody) readChunks(p []byte) (int, error) {
	n, err := b.chunks.read(b.x.conn.br, p)
	if !errors.Is(err, io.EOF) || !b.chunks.ended {
		return n, b.fail(err)
	}
	for name, values := range b.chunks.trailer {
		if b.answer.Trailer == nil {
			b.answer.Trailer = http.Header{}
		}
		b.answer.Trailer[name] = values
	}
	b.finish()
	return n, io.EOF
}

// fail makes err the end of the body; nil stays nil.
func (b *answerBody) fail(err error) error {
	if err == nil {
		return nil
	}
	b.err = failed(b.x.ctx, ended(err), Cut)
	b.x.abort()
	return b.err
}

// finish ends a body that was read whole.
func (b *answerBody) finish() {
	b.err = io.EOF
	b.x.end(b.keep)
}

// Close gives the answer up. A connection whose answer has wholly arrived is
// still given back, so that a version that fails fast keeps its pool.
func (b *answerBody) Close() error {
	if b.err != nil {
		return nil //nolint:nilerr // The end of the body is no failure of Close.
	}
	if br := b.x.conn.br; b.chunks == nil && !b.toClose && b.left <= int64(br.Buffered()) {
		_, _ = br.Discard(int(b.left))
		b.finish()
		b.err = errClosed
		return nil
	}
	b.err = errClosed
	b.x.abort()
	return nil
}
