package router

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"pgregory.net/rapid"
)

func TestAHeldBodyIsTheSameEachTimeItIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "body")
		limit := rapid.IntRange(0, 3000).Draw(t, "limit")
		m := &room{limit: rapid.Int64Range(0, 3000).Draw(t, "room")}
		h := newHeld(bytes.NewReader(text), limit, m)
		fits := len(text) <= min(limit, int(m.limit))
		for range rapid.IntRange(1, 4).Draw(t, "cursors") {
			c := h.open()
			if c == nil {
				if fits {
					t.Fatalf("%d bytes were let go with room for %d and %d", len(text), limit, m.limit)
				}
				break
			}
			part := make([]byte, rapid.IntRange(0, len(text)).Draw(t, "part"))
			if _, err := io.ReadFull(c, part); err != nil || !bytes.Equal(part, text[:len(part)]) {
				t.Fatalf("the first %d bytes: %v", len(part), err)
			}
			_ = c.Close()
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Fatalf("a closed cursor read %d bytes, %v", n, err)
			}
			if h.replayable() && m.used.Load() != int64(len(h.kept)) {
				t.Fatalf("%d bytes are held, %d are counted", len(h.kept), m.used.Load())
			}
		}
		if last := h.open(); last != nil {
			got, err := io.ReadAll(iotest.OneByteReader(last))
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes of %d, %v", len(got), len(text), err)
			}
		}
		h.release()
		if m.used.Load() != 0 {
			t.Fatalf("%d bytes stay counted", m.used.Load())
		}
	})
}

// What a closed cursor was still waiting for belongs to the next one.
func TestABodyThatIsStillArrivingIsHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		h := newHeld(pr, 1<<20, &room{limit: 1 << 20})
		first := h.open()
		read := make(chan string)
		go func() {
			text, _ := io.ReadAll(first)
			read <- string(text)
		}()
		_, _ = io.WriteString(pw, "one ")
		synctest.Wait()
		_ = first.Close()
		second := h.open()
		go func() {
			text, err := io.ReadAll(second)
			if err != nil {
				t.Error(err)
			}
			read <- string(text)
		}()
		synctest.Wait() // The first still waits in the source, the second for the first.
		_, _ = io.WriteString(pw, "two ")
		_, _ = io.WriteString(pw, "three")
		_ = pw.Close()
		for range 2 {
			if text := <-read; text != "one two three" && !strings.HasPrefix("one two ", text) {
				t.Errorf("read %q", text)
			}
		}
		h.release()
	})
}

func TestABodyThatFailsIsNotReadAgain(t *testing.T) {
	t.Parallel()
	gone := errors.New("the caller hung up")
	h := newHeld(io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(gone)), 100, &room{limit: 100})
	if !h.replayable() {
		t.Error("a fresh body is not replayable")
	}
	text, err := io.ReadAll(h.open())
	if string(text) != "hello" || !errors.Is(err, gone) || h.replayable() {
		t.Errorf("%q, %v, replayable %v", text, err, h.replayable())
	}
}
