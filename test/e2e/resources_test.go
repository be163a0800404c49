//go:build integration

package e2e

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// thrifty is where the files of the example with metrics pages are; the test uses
// them as a reader of its README would.
const thrifty = "../../examples/resources"

// Servers in processes of their own tell of themselves: of two versions that
// answer alike, the one that works as much for a request goes to all, and the one
// that works three times as much is put back by its processor time alone.
func TestServersThatTellOfThemselves(t *testing.T) {
	for version, check := range map[string]func(t *testing.T, r client.Rollout){
		"v2": func(t *testing.T, r client.Rollout) {
			if r.Phase != client.Completed {
				t.Errorf("the same work again is %s: %s", r.Phase, sentence(r))
			}
		},
		"v2-burns": func(t *testing.T, r client.Rollout) {
			if r.Phase != client.RolledBack || r.Last.Gate != "cpu_per_request" {
				t.Errorf("three times the work is %s by %q: %s", r.Phase, r.Last.Gate, sentence(r))
			}
		},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			c := rollOut(t, s, version)
			r := s.wait("score-v2", 5*time.Minute, ended)
			c.halt()
			t.Logf("after %v: %s", time.Since(r.CreatedAt).Round(time.Second), sentence(r))
			check(t, r)
			if n := c.failed.Load(); n != 0 {
				t.Errorf("%d of %d requests failed: %s", n, c.sent.Load(), c.why())
			}
		})
	}
}

// rollOut begins the rollout of the example, with a version of its candidate, and
// to send.
func rollOut(t *testing.T, s *server, candidate string) *callers {
	t.Helper()
	addresses := strings.NewReplacer(append(selfTelling(t, "v1", "9201", "9211", "9221"), selfTelling(t, candidate, "9202", "9212", "9222")...)...)
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(thrifty, name))
		if err != nil {
			t.Fatal(err)
		}
		return addresses.Replace(string(text))
	}
	s.apply(file("model.yaml"))
	s.apply(file("policy.yaml"))
	c := callWith(t, "http://"+s.traffic+"/score", `{"amount": 20}`, 60, 30)
	s.apply(file("rollout.yaml"))
	return c
}

// selfTelling serves a version of the example with two servers until the test ends.
// It returns the ports that the files name, each with the one that is served.
func selfTelling(t *testing.T, version, traffic string, metrics ...string) []string {
	t.Helper()
	port := freePort(t)
	ports := []string{":" + traffic, ":" + port}
	for _, named := range metrics {
		own := freePort(t)
		startSelfTelling(t, version, port, own)
		ports = append(ports, ":"+named, ":"+own)
	}
	return ports
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startSelfTelling starts one server of a version and waits until it answers.
func startSelfTelling(t *testing.T, version, port, metrics string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command("python3", filepath.Join(thrifty, "serve.py"), version, port, metrics)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // It ends by the signal.
	})
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		resp, err := patient.Get("http://127.0.0.1:" + metrics + "/metrics")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatalf("%s does not serve:\n%s", version, said.String())
}
