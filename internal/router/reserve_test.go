package router

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Callers open connections in reserve and use them later. One that was silent
// for longer than a head may take is still good for its first request, and one
// that begins a head and stops is not.
func TestAConnectionMayBeSilentBeforeItsFirstRequest(t *testing.T) {
	t.Parallel()
	const head = 200 * time.Millisecond
	w, _, _ := behind(t, Limits{HeadWait: head, IdleWait: patience}, echo, nil)
	w.swap(t, 0, plan{protocol: "http"})
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	reserve, slow := dial(), dial()
	time.Sleep(3 * head)
	_, _ = io.WriteString(reserve, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(reserve), nil)
	if err != nil {
		t.Fatalf("the first request was lost: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the first request is answered with %s", answer.Status)
	}

	began := time.Now()
	_, _ = io.WriteString(slow, "GET / HT")
	_, _ = io.ReadAll(slow)
	if took := time.Since(began); took < head || took > patience/2 {
		t.Errorf("a head that stops is waited for %v", took)
	}
}
