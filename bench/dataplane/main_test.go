//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/measure"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

// TestMain lets this test be started as a part of a measurement, as the command
// starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && parts[os.Args[1]] != nil {
		if err := start(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// part starts a part of a measurement as a process of its own.
func part(t *testing.T, args ...string) *process.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cores, err := process.Cores()
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(t.Context(), process.Spec{Name: args[0], Path: self, Args: args, Core: cores[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func read(t *testing.T, p *process.Process, into any) {
	t.Helper()
	line, err := p.Line(t.Context())
	if err == nil {
		err = json.Unmarshal([]byte(line), into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The streamer's own upstreams answer the requests: not as a model, so that all of
// them fail.
func TestThePartsOfAMeasurementArePrograms(t *testing.T) {
	t.Parallel()
	ends := part(t, "streams", "-streams", "5", "-rate", "20", "-warm", "100ms", "-for", "300ms")
	var up measure.Upstreams
	read(t, ends, &up)
	if err := ends.Tell(up.Addrs[1]); err != nil {
		t.Fatal(err)
	}
	var streams load.Streamed
	read(t, ends, &streams)
	if streams.Sent == 0 || streams.Candidate != 5 || ends.Ended() != nil {
		t.Errorf("%+v; %v", streams, ends.Ended())
	}
	ends.Stop()

	spin := part(t, "spin")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if used, err := spin.CPU(); err != nil || time.Now().After(end) {
			t.Fatalf("it used %v, %v", used, err)
		} else if used > 20*time.Millisecond {
			break
		}
	}
}

func TestAPartThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"connect to 127.0.0.1:1": {"open", "-addr", "127.0.0.1:1"}, "no IPv4 address": {"open", "-addr", "nowhere"}, "nothing to send": {"streams", "-streams", "0"},
	} {
		if err := part(t, args...).Wait(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a proxy that is not there": {[]string{"-only", "nginx,apache"}, `"apache"; there are belay, belay-json`},
		"no time":                   {[]string{"-seconds", "0"}, "at least 1"},
		"no number":                 {[]string{"-repeats", "often"}, "often"},
		"a word too many":           {[]string{"measure"}, `"measure" is neither`},
		"no such results":           {[]string{"-from", "nowhere.json"}, "nowhere.json"},
	} {
		if err := run(t.Context(), tt.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestProxiesAreChosenByName(t *testing.T) {
	t.Parallel()
	got, err := chosen("nginx,belay")
	if err != nil || len(got) != 2 || got[0].Name != "nginx" || got[1].Name != "belay" {
		t.Errorf("%d chosen, %v", len(got), err)
	}
	if got, err := chosen(""); err != nil || len(got) != len(rival.Names()) {
		t.Errorf("%d of %d chosen, %v", len(got), len(rival.Names()), err)
	}
}

func TestThePageOfKeptResultsIsWrittenWithoutMeasuring(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.json")
	text, err := json.Marshal(measure.Results{
		Proxies: []measure.Subject{{Name: "belay", Title: "Belay", Own: true}},
		Cells:   []measure.Cell{{Proxy: "belay", Memory: &measure.Memory{Start: 20e6, Idle: 50e6}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-from", kept, "-out", dir, "-raw", filepath.Join(dir, "again.json")}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "not met      must ≤ 40 MB") || !strings.Contains(out.String(), "not measured aim ≤ 1.2 ×") {
		t.Errorf("said:\n%s", &out)
	}
	for _, file := range []string{"dataplane.md", "dataplane-cpu.svg", "dataplane-memory.svg", "again.json"} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}
