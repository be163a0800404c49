//go:build linux && integration

package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

// setUp builds what is measured. It needs nginx, which is the upstream, and wrk.
func setUp(t *testing.T, only string) measure.Options {
	t.Helper()
	t.Chdir("../..")
	if _, err := rival.Wrk(t.Context()); err != nil {
		t.Skip(err)
	}
	proxies, err := chosen(only)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse([]string{"-seconds", "1", "-repeats", "1", "-rivals", t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cores, err := process.Cores()
	if err != nil || len(cores) < 2 {
		t.Skipf("it needs two cores and has %d, %v", len(cores), err)
	}
	places, done, err := s.build(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return measure.Options{Settings: s.Settings, Proxies: proxies, Places: places, Self: self, Core: cores[0], Load: cores[1], Progress: t.Output()}
}

func TestEverythingIsMeasuredOfBelayAndOfTheReverseProxy(t *testing.T) {
	o := setUp(t, "belay,reverseproxy,caddy")
	got, err := measure.Run(t.Context(), o)
	if err != nil && strings.Contains(err.Error(), "nginx") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Missing) != 1 || got.Missing[0].Name != "caddy" || len(got.Cells) != 3 {
		t.Fatalf("missing %+v, %d cells", got.Missing, len(got.Cells))
	}
	for _, c := range got.Cells {
		if len(c.Failures) > 0 || c.Saturated == nil || c.Open == nil || c.Streams == nil {
			t.Errorf("%s: %v, %+v", c.Proxy, c.Failures, c)
			continue
		}
		if c.Saturated.Failed != 0 || c.Open.Failed != 0 || c.Open.Broken != 0 || c.Saturated.Requests < 100 || c.Open.Delay.N < 500 || c.Streams.Delay.N < 1000 {
			t.Errorf("%s: saturated %+v, open %+v, streams %+v", c.Proxy, c.Saturated, c.Open, c.Streams)
		}
		if c.Proxy == measure.Direct {
			continue
		}
		cpu, ticks := c.Saturated.CPU, c.Saturated.Ticks
		if cpu < 100*time.Millisecond || (cpu-ticks).Abs() > cpu/5 {
			t.Errorf("%s: %v of processor time by the scheduler, %v by ticks", c.Proxy, cpu, ticks)
		}
		if m := c.Memory; m == nil || m.Start < 1e6 || m.Idle <= m.Start || m.Loaded < 1e6 {
			t.Errorf("%s: memory %+v", c.Proxy, c.Memory)
		}
		if share := float64(c.Open.Candidate) / float64(c.Open.Delay.N); share < 0.05 || share > 0.15 {
			t.Errorf("%s: the candidate got %.3f", c.Proxy, share)
		}
	}
}

func TestARunThatIsInterruptedLeavesNothingBehind(t *testing.T) {
	o := setUp(t, "belay")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	got, err := measure.Run(ctx, o)
	if err != nil && strings.Contains(err.Error(), "nginx") {
		t.Skip(err)
	}
	if err == nil || len(got.Cells) == 2 {
		t.Fatalf("%d cells, %v", len(got.Cells), err)
	}
	running, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range running {
		path, err := os.Readlink(link)
		if err != nil || link == "/proc/"+strconv.Itoa(os.Getpid())+"/exe" {
			continue
		}
		if path == self || path == o.Places.Belay {
			t.Errorf("%s runs on", path)
		}
	}
}
