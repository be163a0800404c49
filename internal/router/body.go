package router

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// small is the largest body that is read before its request is sent, and the
// largest answer that is read before its head is sent to the caller.
const small = 64 << 10

// room is the memory that held bodies may take up together.
type room struct {
	limit int64
	used  atomic.Int64
}

func (m *room) take(n int) bool {
	if m.used.Add(int64(n)) <= m.limit {
		return true
	}
	m.used.Add(-int64(n))
	return false
}

func (m *room) force(n int) { m.used.Add(int64(n)) }

func (m *room) give(n int) { m.used.Add(-int64(n)) }

var errClosedBody = errors.New("the body is not wanted any more")

// held is a streamed body that can be read again from its first byte as long
// as it is short enough: what is read is kept. It has one open cursor at a
// time; one that was closed may still be waiting in a read, and what that read
// brings is kept for the next.
type held struct {
	src   io.Reader
	limit int
	room  *room

	mu      sync.Mutex
	arrived sync.Cond
	kept    []byte
	gone    bool // the first bytes were let go: nothing can be read again
	busy    bool // a cursor waits in src
	end     error
}

func newHeld(src io.Reader, limit int, m *room) *held {
	h := &held{src: src, limit: limit, room: m}
	h.arrived.L = &h.mu
	return h
}

// open returns a cursor at the first byte; nil when that is gone.
func (h *held) open() io.ReadCloser {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return nil
	}
	return &cursor{of: h}
}

// beginning returns the first n bytes of the body, or all of a shorter one, once
// they have come; nil when they cannot be held. No cursor is open meanwhile.
func (h *held) beginning(n int) []byte {
	c := h.open()
	if c == nil {
		return nil
	}
	defer c.Close()
	buf := make([]byte, n)
	read, err := io.ReadFull(c, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return buf[:read]
}

// replayable reports whether the body can still be read from its first byte.
func (h *held) replayable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.gone && (h.end == nil || errors.Is(h.end, io.EOF))
}

// release gives the memory back. No cursor is used afterwards.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.room.give(len(h.kept))
	h.kept, h.gone = nil, true
}

// keep keeps what c has just read. When that is too much, all is let go, but
// for a closed cursor: what it read is owed to the one that came after it.
func (h *held) keep(c *cursor, p []byte) {
	if h.gone {
		return
	}
	if c.closed {
		h.room.force(len(p))
	} else if len(h.kept)+len(p) > h.limit || !h.room.take(len(p)) {
		h.gone = true
		h.room.give(len(h.kept))
		h.kept, c.at = nil, 0
		return
	}
	h.kept = append(h.kept, p...)
	c.at = len(h.kept)
}

// cursor reads a held body.
type cursor struct {
	of     *held
	at     int
	closed bool
}

func (c *cursor) Read(p []byte) (int, error) {
	h := c.of
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, errClosedBody
		case c.at < len(h.kept):
			n := copy(p, h.kept[c.at:])
			c.at += n
			return n, nil
		case h.end != nil:
			return 0, h.end
		case h.busy:
			h.arrived.Wait()
		default:
			return c.pull(p)
		}
	}
}

// pull reads from the source, with the lock let go meanwhile.
func (c *cursor) pull(p []byte) (int, error) {
	h := c.of
	h.busy = true
	h.mu.Unlock()
	n, err := h.src.Read(p)
	h.mu.Lock()
	h.busy = false
	h.end = err
	h.keep(c, p[:n])
	h.arrived.Broadcast()
	if n > 0 {
		err = nil // The end is told by the next read.
	}
	return n, err
}

func (c *cursor) Close() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.closed = true
	c.of.arrived.Broadcast()
	return nil
}
