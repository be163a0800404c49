package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// transcript collects what a run tells, from several goroutines: the server's log is among it.
type transcript struct {
	mu  sync.Mutex
	all bytes.Buffer
	// seen is called with everything so far, under the lock.
	seen func(string)
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if w.seen != nil {
		w.seen(w.all.String())
	}
	return len(p), nil
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// isEmpty fails the test if a run has left something behind.
func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind in the temporary directory: %v, %v", left, err)
	}
}

// TestAVersionThatFailsIsRolledBackByItsErrors is the whole demo with one candidate, over real sockets and in real time;
// it takes about 8 s, mostly of waiting. The rate is half of the demo's own, because other tests share the machine.
func TestAVersionThatFailsIsRolledBackByItsErrors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 8 s and most of a processor")
	}
	var out, warnings transcript
	dir := t.TempDir()
	began := time.Now()
	result, err := play(t.Context(), Options{
		Scenario: "v3", Seed: 1, Rate: DefaultRate / 2, Out: &out, Err: &warnings, TempDir: dir,
	})
	t.Logf("%s\n%s", out.String(), warnings.String())
	if err != nil {
		t.Fatalf("the demo: %v", err)
	}
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("it took %v", took)
	}
	e := result.Endings[0]
	if e.Phase != client.RolledBack || e.Gate != "error_rate" || e.Stage >= 100 {
		t.Errorf("%s by %q at %v%%", e.Phase, e.Gate, e.Stage)
	}
	saysWhatIsProven(t, e)
	if e.Requests < 1 || e.Units != e.Requests || uint64(e.Requests) != e.Arrived {
		t.Errorf("exposed %d requests and %d units by Belay's count, %d by the server's", e.Requests, e.Units, e.Arrived)
	}
	if e.Shielded < 1 || result.Failed != 0 || result.Requests < 500 {
		t.Errorf("%d requests, %d failed, %d shielded", result.Requests, result.Failed, e.Shielded)
	}
	if result.Labels < 100 || result.LabelsLost != 0 {
		t.Errorf("%d labels reported, %d lost", result.Labels, result.LabelsLost)
	}
	if e.LastRequest > time.Second {
		t.Errorf("the last request reached the candidate %v after the decision", e.LastRequest)
	}
	text := out.String()
	for _, want := range []string{"START at 1%", "ROLLBACK at", "v1 serves everything", "As expected: v3 was rolled back by error_rate", "VERSION"} {
		if !strings.Contains(text, want) {
			t.Errorf("the narration does not say %q", want)
		}
	}
	isEmpty(t, dir)
}

func TestAnInterruptedRunStopsCleanlyAndSaysSo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 3 s")
	}
	stopped := errors.New("stopped by a person")
	for name, moment := range map[string]string{
		"while networks are trained": "Training networks",
		"while Belay comes up":       "Belay is up",
		"during a rollout":           "START at 1%",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			out := &transcript{seen: func(text string) {
				if strings.Contains(text, moment) {
					cancel(stopped)
				}
			}}
			dir := t.TempDir()
			err := Run(ctx, Options{Scenario: "v3", Seed: 2, Rate: 100, Out: out, TempDir: dir})
			if !errors.Is(err, stopped) {
				t.Errorf("got %v, want the cause", err)
			}
			if text := out.String(); !strings.Contains(text, "Interrupted") || strings.Contains(text, "VERSION") {
				t.Errorf("told:\n%s", text)
			}
			isEmpty(t, dir)
		})
	}
}

// closing is a pipe whose reader goes away after some lines.
type closing struct{ lines int }

func (c *closing) Write(p []byte) (int, error) {
	if c.lines == 0 {
		return 0, io.ErrClosedPipe
	}
	c.lines--
	return len(p), nil
}

func TestARunThatNobodyReadsEndsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := Run(t.Context(), Options{Scenario: "v3", Seed: 2, Rate: 100, Out: &closing{lines: 7}, TempDir: dir})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	isEmpty(t, dir)
}

func TestATemporaryDirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	err := Run(t.Context(), Options{Scenario: "v3", Seed: 2, TempDir: missing})
	if err == nil || !strings.Contains(err.Error(), "make a temporary directory for the demo's data") || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
}

func TestARolloutThatTakesTooLongIsAbortedAndUnexpected(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 4 s")
	}
	var out, warnings transcript
	o, err := Options{Scenario: "v2", Seed: 3, Rate: 100, Out: &out, Err: &warnings, TempDir: t.TempDir()}.filled()
	if err != nil {
		t.Fatal(err)
	}
	o.patience = 2 * time.Second
	result, err := play(t.Context(), o)
	u, ok := errors.AsType[*Unexpected](err)
	if !ok || !strings.Contains(u.Error(), "v2 was aborted; it should go to 100%") {
		t.Errorf("got %v", err)
	}
	if len(result.Endings) != 1 || result.Endings[0].Phase != client.Aborted {
		t.Errorf("endings %+v", result.Endings)
	}
	if text := warnings.String(); !strings.Contains(text, "digits-v2 has not ended after 2s; the demo aborts it") {
		t.Errorf("warned:\n%s", text)
	}
	if text := out.String(); !strings.Contains(text, "NOT as expected: v2 was aborted") {
		t.Errorf("told:\n%s", text)
	}
}
