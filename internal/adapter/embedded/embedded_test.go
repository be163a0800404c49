package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/router"
	"github.com/belay-rollouts/belay/internal/router/upstream"
	"github.com/belay-rollouts/belay/internal/traffic"
	"github.com/belay-rollouts/belay/internal/traffic/traffictest"
)

func TestARouterOverRealSocketsIsATarget(t *testing.T) {
	t.Parallel()
	traffictest.Run(t, openWorld)
}

// openWorld is a router on a port, with two servers behind it.
func openWorld(t *testing.T) traffictest.World {
	t.Helper()
	var failing atomic.Bool
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	baseline := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(baseline.Close)
	candidate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if failing.Load() && req.Header.Get(traffictest.UnitHeader) != "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer(w, req)
	}))
	t.Cleanup(candidate.Close)

	r := router.New(router.Options{Signer: assignment.NewSigner(make([]byte, assignment.KeySize))})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	send := func(unit string) split.Arm { return send(t, "http://"+l.Addr().String(), unit) }
	return traffictest.World{
		Target: New(r), Baseline: mustURL(t, baseline.URL), Candidate: mustURL(t, candidate.URL), Send: send,
		Break: func(rollout uint64) {
			failing.Store(true)
			for i := range 100 {
				send(fmt.Sprint("broken-", i))
				if s, _ := r.Rollout(rollout); s.CutOff != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // An excursion has to be a second old.
			}
		},
	}
}

func send(t *testing.T, at, unit string) split.Arm {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/predict", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(traffictest.UnitHeader, unit)
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err = io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d for unit %s", resp.StatusCode, unit)
	}
	var arm split.Arm
	if err := arm.UnmarshalText([]byte(resp.Header.Get("Belay-Arm"))); err != nil {
		t.Fatal(err)
	}
	return arm
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHealthIsSpelledAlikeOnBothSides(t *testing.T) {
	t.Parallel()
	for here, there := range map[upstream.State]traffic.State{
		upstream.Unknown: traffic.Unknown, upstream.Ready: traffic.Ready,
		upstream.Failing: traffic.Failing, upstream.Dead: traffic.Dead,
	} {
		if got := health(upstream.Health{State: here}).State; got != there {
			t.Errorf("%s became %s, want %s", here, got, there)
		}
	}
}
