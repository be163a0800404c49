package upstream

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// maxHints bounds the interim answers to one request.
const maxHints = 8

// exchange is one request and its answer on one connection.
type exchange struct {
	endpoint *Endpoint
	conn     *conn
	ctx      context.Context
	// unwatch stops the watch over ctx and reports whether it had not struck.
	unwatch func() bool

	// A stream under way: its source, and its end.
	source  io.Closer
	sent    chan struct{}
	sendErr error // good once sent is closed

	mu       sync.Mutex // between the reader of the answer and the sender
	answered bool       // the head has come
	through  bool       // the whole answer has come, and the sender is not done
}

// run sends r and reads the head of its answer. The connection is closed when
// it fails. Silent reports that the server closed or reset the connection
// without a byte of answer.
func (x *exchange) run(r *Request) (a *Answer, silent bool, err error) {
	// A deadline in the past wakes every read and write of this connection.
	x.unwatch = context.AfterFunc(x.ctx, func() { _ = x.conn.SetDeadline(past) })
	sendErr := x.send(r)
	if KindOf(sendErr) == Broken { // Nothing was sent.
		x.abort()
		return nil, false, sendErr
	}
	if x.ctx.Err() != nil {
		// The watch may have struck before send set a deadline of its own.
		_ = x.conn.SetDeadline(past)
	}
	// Even if sending failed: the server may have answered early and closed.
	l := &lines{br: x.conn.br, left: x.endpoint.limits.HeadSize}
	h, err := x.readFinal(l, r)
	if err == nil {
		return x.answer(r, h, sendErr), false, nil
	}
	x.abort()
	if uerr := x.unsent(); uerr != nil {
		return nil, false, uerr
	}
	err = failed(x.ctx, ended(err), Broken)
	return nil, !l.any && KindOf(err) == Broken, err
}

// readFinal reads heads up to the first that is not interim.
func (x *exchange) readFinal(l *lines, r *Request) (*head, error) {
	for range maxHints {
		h, err := readHead(l)
		if err != nil {
			return nil, err
		}
		if h.status >= http.StatusOK {
			x.mu.Lock()
			x.answered = true
			x.mu.Unlock()
			return h, nil
		}
		if h.status == http.StatusSwitchingProtocols {
			return nil, malformed("the answer switches protocols, which nobody asked for")
		}
		if r.Hint != nil && h.status != http.StatusContinue {
			r.Hint(h.status, h.header)
		}
	}
	return nil, malformed("the answer has too many interim heads")
}

// answer makes the Answer of a head.
func (x *exchange) answer(r *Request, h *head, sendErr error) *Answer {
	b := &answerBody{x: x, keep: h.minor == 1 && !h.closes && sendErr == nil}
	a := &Answer{Status: h.status, Header: h.header, Length: h.length, Body: b}
	switch {
	case r.Method == http.MethodHead || h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		a.Length = 0
		b.finish()
	case h.chunked:
		b.chunks = &chunks{limit: x.endpoint.limits.HeadSize}
		if len(h.announce) > 0 {
			a.Trailer = make(http.Header, len(h.announce))
			for _, name := range h.announce {
				a.Trailer[name] = nil
			}
		}
		b.answer = a
	case h.length >= 0:
		if b.left = h.length; b.left == 0 {
			b.finish()
		}
	default:
		b.toClose, b.keep = true, false
	}
	return a
}

// end ends an exchange whose answer was read whole. The connection is kept if
// reusable says so, the whole request was sent and nothing follows the answer.
// A stream that is not sent to its end yet decides that at its end.
func (x *exchange) end(reusable bool) {
	x.mu.Lock()
	if reusable && x.sending() {
		x.through = true
		x.mu.Unlock()
		return
	}
	x.mu.Unlock()
	x.release(reusable && (x.sent == nil || x.sendErr == nil))
}

// release gives the connection back, or closes it.
func (x *exchange) release(reusable bool) {
	if reusable && x.conn.br.Buffered() == 0 && x.unwatch() {
		x.endpoint.pool.put(x.conn)
		return
	}
	x.abort()
}

// abort gives the exchange up: nothing more is sent or read.
func (x *exchange) abort() {
	x.unwatch()
	_ = x.conn.Close()
	if x.source != nil {
		_ = x.source.Close()
	}
}
