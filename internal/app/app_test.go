package app

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/problem"
)

func settings(t *testing.T) config.Settings {
	t.Helper()
	s := config.Default()
	s.Data = filepath.Join(t.TempDir(), "data")
	s.Listen, s.Admin = "127.0.0.1:0", "127.0.0.1:0"
	s.Drain = 5 * time.Second
	return s
}

func start(t *testing.T, s config.Settings) *App {
	t.Helper()
	a, err := New(t.Context(), Options{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAServerIsReadyWhenStartReturns(t *testing.T) {
	a := start(t, settings(t))
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.json": 200, "/api/v1/rollouts": 200, "/nothing": 404} {
		if got, body := get(t, a.URL()+path); got != want {
			t.Errorf("%s answers %d, want %d: %s", path, got, want, body)
		}
	}
}

func TestTheTrafficPortAnswersNothingButTraffic(t *testing.T) {
	a := start(t, settings(t))
	for _, path := range []string{"/healthz", "/metrics", "/api/v1/rollouts", "/v2/models/none/infer"} {
		if got, body := get(t, "http://"+a.TrafficAddr()+path); got != http.StatusNotFound || !strings.Contains(body, "model") {
			t.Errorf("%s answers %d: %s", path, got, body)
		}
	}
}

func TestAPortInUseIsSaidAndChangesNothing(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, set := range map[string]func(s *config.Settings){
		"--listen": func(s *config.Settings) { s.Listen = taken.Addr().String() },
		"--admin":  func(s *config.Settings) { s.Admin = taken.Addr().String() },
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			set(&s)
			a, err := New(t.Context(), Options{Settings: s})
			if err != nil {
				t.Fatal(err)
			}
			err = a.Start(t.Context())
			if problem.CodeOf(err) != problem.Conflict || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
			// Everything was given back: the same data can be opened again.
			set = func(*config.Settings) {}
			s.Listen, s.Admin = "127.0.0.1:0", "127.0.0.1:0"
			start(t, s)
		})
	}
}

func TestTwoServersDoNotShareData(t *testing.T) {
	s := settings(t)
	start(t, s)
	_, err := New(t.Context(), Options{Settings: s})
	if err == nil || !strings.Contains(err.Error(), s.Data) {
		t.Errorf("got %v", err)
	}
}

func TestStoppingTwiceIsHarmlessAndFreesEverything(t *testing.T) {
	s := settings(t)
	a, err := New(t.Context(), Options{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := a.TrafficAddr()
	for range 2 {
		if err := a.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	l.Close()
	start(t, s)
}

func TestTheSigningKeyOutlivesTheProcess(t *testing.T) {
	s := settings(t)
	key := func() []byte {
		a, err := New(t.Context(), Options{Settings: s})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		k, err := a.store.Secret(t.Context(), "assignment", []byte("another"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if first, second := key(), key(); string(first) != string(second) || string(first) == "another" {
		t.Error("the key changed with the process")
	}
}

func TestAnUnknownTrafficPathNamesTheModels(t *testing.T) {
	a := start(t, settings(t))
	_, body := get(t, "http://"+a.TrafficAddr()+"/v2/models/none/infer")
	var p map[string]any
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Errorf("the answer is no JSON: %v: %s", err, body)
	}
}
