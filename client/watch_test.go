package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decided(seq int64) Event {
	return Event{Type: EventDecision, Rollout: "m-v2", Seq: seq, Decision: &DecisionHead{Seq: seq, Kind: DecisionHold}}
}

func standing(p Phase) Event {
	return Event{Type: EventStatus, Rollout: "m-v2", Status: &Rollout{Name: "m-v2", Phase: p, Last: &DecisionHead{Kind: map[bool]DecisionKind{true: DecisionRollback, false: DecisionHold}[Final(p)]}}}
}

// collect follows a rollout and returns what it saw, in short.
func collect(t *testing.T, c *Client, r WatchRequest) (got []string, err error) {
	t.Helper()
	for e, bad := range c.Watch(t.Context(), r) {
		switch {
		case bad != nil:
			err = bad
		case e.Status != nil:
			got = append(got, string(e.Status.Phase))
		default:
			got = append(got, fmt.Sprintf("#%d", e.Seq))
		}
	}
	return got, err
}

func TestWatchTakesABrokenStreamUpAgainWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	streams := []string{
		eventLine(t, "", standing(Progressing)) + eventLine(t, "1", decided(1)) + ": sign of life\n\n" + "id: 2\ndata: {\"type\":\"deci",
		eventLine(t, "1", decided(1)) + eventLine(t, "2", decided(2)) + eventLine(t, "", standing(Holding)),
		eventLine(t, "3", decided(3)) + eventLine(t, "", standing(RolledBack)),
	}
	c, s := start(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, streams[n-1])
	})
	breaks := 0
	got, err := collect(t, c, WatchRequest{Rollout: "m", FromStart: true, OnBreak: func(error) { breaks++ }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Progressing", "#1", "#2", "Holding", "#3", "RolledBack"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	var resumed []string
	for _, r := range s.requests() {
		resumed = append(resumed, r.Query+" from "+r.Header.Get("Last-Event-ID"))
	}
	if diff := cmp.Diff([]string{"rollout=m from 0", "rollout=m from 1", "rollout=m from 2"}, resumed); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	if breaks != 2 {
		t.Errorf("told of %d breaks, want 2", breaks)
	}
}

func TestWatchOfARolloutThatIsNotThereEndsWithTheError(t *testing.T) {
	t.Parallel()
	c, s := start(t, answering(404, `{"code":"not_found","detail":"no rollout named \"x\""}`))
	got, err := collect(t, c, WatchRequest{Rollout: "x"})
	if CodeOf(err) != CodeNotFound || len(got) != 0 || len(s.requests()) != 1 {
		t.Errorf("got %v, %v after %d requests", got, err, len(s.requests()))
	}
}

func TestWatchOfSomethingElseEndsWithTheError(t *testing.T) {
	t.Parallel()
	c, _ := start(t, answering(200, "{}"))
	if _, err := collect(t, c, WatchRequest{}); err == nil || !strings.Contains(err.Error(), "application/json") {
		t.Errorf("got %v", err)
	}
}

func TestWatchEndsWhenTheCallerStops(t *testing.T) {
	t.Parallel()
	c, s := start(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for seq := int64(1); r.Context().Err() == nil; seq++ {
			if _, err := io.WriteString(w, eventLine(t, "", decided(seq))); err != nil {
				return
			}
		}
	})
	n := 0
	for range c.Watch(t.Context(), WatchRequest{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 || len(s.requests()) != 1 {
		t.Errorf("saw %d events over %d streams", n, len(s.requests()))
	}
}

// pipes is a transport whose answers are event streams that the test writes.
type pipes struct{ opened chan *io.PipeWriter }

func (p pipes) RoundTrip(r *http.Request) (*http.Response, error) {
	out, in := io.Pipe()
	stop := context.AfterFunc(r.Context(), func() { _ = in.CloseWithError(r.Context().Err()) })
	_ = stop
	p.opened <- in
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: out}, nil
}

func TestWatchLeavesASilentStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan *io.PipeWriter)}
		c, err := New(Options{HTTP: &http.Client{Transport: p}})
		if err != nil {
			t.Fatal(err)
		}
		var broke error
		var after time.Duration
		began := time.Now()
		go func() {
			first := <-p.opened
			for range 10 { // Signs of life keep it.
				time.Sleep(40 * time.Second)
				_, _ = io.WriteString(first, ": alive\n")
			}
			second := <-p.opened
			_, _ = io.WriteString(second, eventLine(t, "", standing(Completed)))
			_ = second.Close()
		}()
		got, err := collect(t, c, WatchRequest{Rollout: "m", OnBreak: func(err error) {
			broke, after = err, time.Since(began)
		}})
		if want := 400*time.Second + idle; err != nil || len(got) != 1 || !errors.Is(broke, errSilent) || after != want {
			t.Errorf("got %v, %v; broke by %v after %v, want %v", got, err, broke, after, want)
		}
	})
}

func TestReaderOfEvents(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want []message
		err  error
	}{
		"fields without a space, and CRLF": {"id:7\r\ndata:a\r\n\r\n", []message{{"7", []byte("a")}}, io.EOF},
		"several lines of data":            {"data: a\ndata: b\n\n", []message{{"", []byte("a\nb")}}, io.EOF},
		"comments and unknown fields":      {": x\nretry: 3\nfoo\n\ndata: a\n\n", []message{{"", []byte("a")}}, io.EOF},
		"an id without data is no message": {"id: 3\n\ndata: a\n\n", []message{{"", []byte("a")}}, io.EOF},
		"a message that breaks off":        {"data: a\n\nid: 2\ndata: b\n", []message{{"", []byte("a")}}, io.EOF},
		"a line beyond all bounds":         {"data: " + strings.Repeat("x", maxMessage+1<<20), nil, errTooLong},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(strings.NewReader(tt.in))
			var got []message
			var err error
			for {
				var m message
				if m, err = r.next(func() {}); err != nil {
					break
				}
				got = append(got, m)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(message{})); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("ended by %v, want %v; messages (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}
