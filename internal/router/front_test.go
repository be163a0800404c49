package router

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// problemOf reads an RFC 9457 answer.
func problemOf(t *testing.T, a answered) (p struct {
	Status int
	Title  string
	Detail string
	Models []struct{ Model, Match string }
},
) {
	t.Helper()
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("content type %s", a.header.Get("Content-Type"))
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" {
		t.Errorf("problem %+v with status %d", p, a.status)
	}
	return p
}

func TestARequestThatNoModelTakesSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{})
	for _, path := range []string{"/", "/healthz", "/metrics", "/v2/models/mm/infer", "/api/v1/rollouts"} {
		a := w.do(t, http.MethodPost, path, "x")
		if a.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.status)
		}
		p := problemOf(t, a)
		if len(p.Models) != 1 || p.Models[0].Model != "m" || p.Models[0].Match != "path /v2/models/m" || !strings.Contains(p.Detail, path) {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if got := w.router.Stats().Unmatched; got != 5 {
		t.Errorf("%d unmatched, want 5", got)
	}
}

func TestWithoutATableEveryRequestIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	a := w.infer(t, "u")
	if p := problemOf(t, a); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "no routing table") {
		t.Errorf("%d %+v", a.status, p)
	}
}

func TestUpgradesAreRefused(t *testing.T) {
	t.Parallel()
	w, b, _ := behind(t, Limits{}, nil, nil)
	w.swap(t, 0, plan{protocol: table.HTTP})
	got := w.raw(t, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 501 ") || !strings.Contains(got, "switches no protocols") {
		t.Errorf("answer %q", got)
	}
	got = w.raw(t, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 501 ") {
		t.Errorf("answer to CONNECT %q", got)
	}
	if b.requests.Load() != 0 {
		t.Error("the baseline was asked")
	}
}

func TestTooManyRequestsAtATimeAreRefused(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	w := alone(t, Limits{Requests: 2}, func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	})
	for range 2 {
		go func() {
			if resp, err := w.client.Get(w.url("/")); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-entered
	}
	a := w.do(t, http.MethodGet, "/", "")
	if p := problemOf(t, a); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "too many") {
		t.Errorf("%d %+v", a.status, p)
	}
	close(leave)
	waitFor(t, "the requests to end", func() bool { return w.router.Stats().Running == 0 })
	if s := w.router.Stats(); s.Dropped != 1 {
		t.Errorf("%d dropped, want 1", s.Dropped)
	}
}

func TestBodiesBeyondTheBound(t *testing.T) {
	t.Parallel()
	w, _, _ := behind(t, Limits{Body: 100_000}, nil, nil)
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	for name, n := range map[string]int{"known to be too long": 100_001, "streamed and too long": -1} {
		var src io.Reader = strings.NewReader(strings.Repeat("x", 300_000))
		if n > 0 {
			src = strings.NewReader(strings.Repeat("x", n))
		} else {
			src = io.MultiReader(src)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), src)
		if err != nil {
			t.Fatal(err)
		}
		a, err := w.send(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p := problemOf(t, a); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(p.Detail, "100000 bytes") {
			t.Errorf("%s: %d %+v", name, a.status, p)
		}
	}
	if got := w.router.Collect(); len(got) != 0 {
		t.Errorf("bodies beyond the bound were counted as somebody's: %+v", got)
	}
	if a := w.do(t, http.MethodPost, "/", strings.Repeat("x", 100_000)); a.status != 200 {
		t.Errorf("exactly the bound: %d", a.status)
	}
}
