package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

func TestATenthOfTheUsersGoesToTheCandidateAndStays(t *testing.T) {
	t.Parallel()
	var addrs [2]string
	for i, name := range []string{"baseline", "candidate"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name+" "+r.URL.Path+" "+r.Host)
		}))
		t.Cleanup(s.Close)
		addrs[i] = strings.TrimPrefix(s.URL, "http://")
	}
	s := newSplitter(addrs[0], addrs[1])
	ask := func(user string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://models.example/v2/models/m/infer", strings.NewReader("{}"))
		r.Header.Set("X-User-Id", user)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Body.String()
	}
	candidate := 0
	for i := range 400 {
		user := fmt.Sprint("user-", i)
		got := ask(user)
		arm, rest, _ := strings.Cut(got, " ")
		if again := ask(user); again != got || rest != "/v2/models/m/infer models.example" {
			t.Fatalf("%s got %q, then %q", user, got, again)
		}
		if arm == "candidate" {
			candidate++
		}
	}
	// 40 +- 6 of 400.
	if candidate < 18 || candidate > 62 {
		t.Errorf("%d of 400 users are the candidate's", candidate)
	}
	for i, want := range map[split.Arm]int{split.Baseline: 2 * (400 - candidate), split.Candidate: 2 * candidate} {
		sum := uint64(0)
		for k := range s.arms[i].latencies {
			sum += s.arms[i].latencies[k].Load()
		}
		if sum != uint64(want) || s.arms[i].failed.Load() != 0 {
			t.Errorf("arm %d: %d latencies, want %d; %d failed", i, sum, want, s.arms[i].failed.Load())
		}
	}
}

func TestAnUpstreamThatIsGoneIsABadGateway(t *testing.T) {
	t.Parallel()
	s := newSplitter("127.0.0.1:1", "127.0.0.1:1")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil))
	if w.Code != http.StatusBadGateway || s.arms[0].failed.Load()+s.arms[1].failed.Load() != 1 {
		t.Errorf("answered %d", w.Code)
	}
}

func TestTheStepsOfTheHistogramAreASixteenth(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) int {
		var h histogram
		h.add(d)
		for i := range h {
			if h[i].Load() == 1 {
				return i
			}
		}
		return -1
	}
	last := -1
	for ns := time.Duration(0); ns < 1<<40; ns += 1 + ns/64 {
		i := at(ns)
		if i < last || i > last+1 {
			t.Fatalf("%v is at %d, after %d", ns, i, last)
		}
		last = i
	}
	if at(-time.Second) != 0 || at(1<<62) < 0 {
		t.Error("a time out of bounds is nowhere")
	}
}
