package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

var quiet = slog.New(slog.DiscardHandler)

// serve puts a harness behind a real socket, with the real client in front.
func serve(t *testing.T) (*harness, *httptest.Server, *client.Client) {
	t.Helper()
	h := newHarness(t)
	srv := httptest.NewServer(h.handler)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Options{Server: srv.URL, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return h, srv, c
}

// lines reads a stream until it has seen a line with the given text, or its end.
func lines(t *testing.T, srv *httptest.Server, path, resume, until string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resume != "" {
		req.Header.Set("Last-Event-ID", resume)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("content type %q", kind)
	}
	var out []string
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		line := s.Text()
		if len(line) > 40 {
			line = line[:40]
		}
		if line != "" {
			out = append(out, line)
		}
		if until != "" && strings.Contains(s.Text(), until) {
			return out
		}
	}
	return out
}

func TestAStreamBeginsWithHowTheRolloutStands(t *testing.T) {
	t.Parallel()
	_, srv, _ := serve(t)
	want := []string{"event: status", `data: {"rollout":"fraud-v7","status":{"a`}
	if diff := cmp.Diff(want, lines(t, srv, "/api/v1/events?rollout=fraud", "", "data:")); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

func TestAStreamIsTakenUpAfterTheLastEvent(t *testing.T) {
	t.Parallel()
	_, srv, _ := serve(t)
	got := lines(t, srv, "/api/v1/events?rollout=fraud-v7", "1", "event: status")
	want := []string{"event: decision", "id: 2", "", "event: decision", "id: 3", "", "event: status"}
	for i := range got {
		if strings.HasPrefix(got[i], "data: ") {
			got[i] = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

func TestAStreamOfAllRolloutsIsTakenUpByTime(t *testing.T) {
	t.Parallel()
	h, srv, _ := serve(t)
	// Twenty more decisions, a second apart; the stream was last seen at #20.
	for range 20 {
		h.engine.decide("fraud-v7", rollout.Progressing, false)
	}
	resume := epoch.Add(20 * time.Second).Format(time.RFC3339Nano)
	got := lines(t, srv, "/api/v1/events", resume, `"seq":23`)
	var ids []string
	for _, line := range got {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			ids = append(ids, id)
		}
	}
	// From ten seconds before on, so that none is lost whose time came earlier.
	if len(ids) != 13 || ids[0] != "2026-11-23T12:00:11Z" || ids[12] != "2026-11-23T12:00:23Z" {
		t.Errorf("ids %v", ids)
	}
}

func TestTheClientFollowsToTheEndWithoutMissingADecision(t *testing.T) {
	t.Parallel()
	h, _, c := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for h.engine.subscribers() == 0 {
			time.Sleep(time.Millisecond)
		}
		h.engine.decide("fraud-v7", rollout.Progressing, true)
		h.engine.decide("fraud-v7", rollout.Progressing, false) // Nobody tells of this one.
		h.engine.decide("fraud-v7", rollout.RolledBack, true)
	}()
	var got []string
	for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: "fraud"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == client.EventDecision {
			got = append(got, fmt.Sprintf("#%d", e.Seq))
		} else if client.Final(e.Status.Phase) {
			got = append(got, string(e.Status.Phase), fmt.Sprint(*e.Status.Ending.ConfirmedAfterMilliseconds))
		}
	}
	if ctx.Err() != nil {
		t.Fatal("the stream did not end")
	}
	if diff := cmp.Diff([]string{"#4", "#5", "#6", "RolledBack", "41"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAStreamDoesNotEndBeforeTheDecisionThatEndedTheRollout(t *testing.T) {
	t.Parallel()
	h, _, c := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for h.engine.subscribers() == 0 {
			time.Sleep(time.Millisecond)
		}
		h.engine.putBack("fraud-v7")
		time.Sleep(statusEvery + 200*time.Millisecond) // The stream looks meanwhile.
		h.engine.decide("fraud-v7", rollout.RolledBack, true)
	}()
	var decisions []int64
	for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: "fraud"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == client.EventDecision {
			decisions = append(decisions, e.Seq)
		}
	}
	if diff := cmp.Diff([]int64{4}, decisions); diff != "" || ctx.Err() != nil {
		t.Errorf("context %v, decisions (-want +got):\n%s", ctx.Err(), diff)
	}
}

func TestOnlySoManyStreamsAreServed(t *testing.T) {
	t.Parallel()
	h, srv, c := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range maxStreams {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	refused := func() bool {
		w := h.do(t, request{path: "/api/v1/events?rollout=none"})
		return w.Code == http.StatusServiceUnavailable && body[api.Problem](t, w).Code == "unavailable"
	}
	if !refused() {
		t.Error("one more stream was served")
	}
	cancel()
	waitFor(t, "the places to be free again", func() bool { return !refused() })
	c.Close()
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// exchange sends raw bytes over a socket and reads the answer to its end.
func exchange(t *testing.T, srv *httptest.Server, raw string, halfClose bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	if halfClose {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func TestABodyThatIsCutIsSaidToBeCut(t *testing.T) {
	t.Parallel()
	h, srv, _ := serve(t)
	host := srv.Listener.Addr().String()
	answer := exchange(t, srv, "POST "+actions+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"kind\":\"pause\"}", true)
	if !strings.Contains(answer, " 400 ") || !strings.Contains(answer, "the body broke off after 16 of 100 bytes") {
		t.Errorf("answer:\n%s", answer)
	}
	answer = exchange(t, srv, "POST "+actions+" HTTP/1.1\r\nHost: "+host+"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n10\r\n{\"kind\":\"pause\"}\r\n", true)
	if !strings.Contains(answer, " 400 ") || !strings.Contains(answer, "the body broke off after 16 bytes") {
		t.Errorf("answer:\n%s", answer)
	}
	if len(h.engine.acted) != 0 {
		t.Error("the act was carried out")
	}
}

func TestABodyThatSaysItIsTooLargeIsAnsweredWithTheBound(t *testing.T) {
	t.Parallel()
	_, srv, _ := serve(t)
	host := srv.Listener.Addr().String()
	answer := exchange(t, srv, "POST "+actions+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 70000\r\nConnection: close\r\n\r\n"+strings.Repeat(" ", 70000), false)
	if !strings.Contains(answer, " 413 ") || !strings.Contains(answer, "larger than 65536 bytes") {
		t.Errorf("answer:\n%.300s", answer)
	}
}
