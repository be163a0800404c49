//go:build linux

// Command dataplane measures what Belay's data plane costs beside other proxies,
// and writes docs/benchmarks/dataplane.md with its figures. See the packages
// below it, and `make bench-dataplane`. It runs on Linux alone.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/bench/dataplane/report"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dataplane:", err)
		os.Exit(1) //nolint:forbidigo // This is a command, though not one of the product.
	}
}

// start runs what the arguments name: a part of a measurement, which this program
// starts itself, or all of it.
func start(args []string) error {
	if len(args) > 0 {
		if part := parts[args[0]]; part != nil {
			return part(args[1:], os.Stdin, os.Stdout)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr)
}

// settings are the flags.
type settings struct {
	measure.Settings
	only, out, built, raw, from, profile string
	limit                                time.Duration
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("dataplane", flag.ContinueOnError)
	f.IntVar(&s.Seconds, "seconds", 4, "how long each measurement takes, in seconds")
	f.IntVar(&s.Repeats, "repeats", 5, "how often each proxy is measured")
	f.StringVar(&s.only, "only", "", "measure only these proxies, by name, divided by commas: "+strings.Join(rival.Names(), ", "))
	f.StringVar(&s.out, "out", "docs/benchmarks", "the folder of the page; empty writes none")
	f.StringVar(&s.built, "rivals", ".cache/rivals", "the folder in which Caddy and Traefik are; `make rivals` builds them")
	f.StringVar(&s.raw, "raw", "", "a file for everything that was measured, as JSON")
	f.StringVar(&s.from, "from", "", "write the page of such a file, and measure nothing")
	f.StringVar(&s.profile, "profile", "", "a file for a profile of Belay while it is saturated; writes no page, because that costs time")
	f.DurationVar(&s.limit, "limit", time.Hour, "when to stop; what is complete is written")
	f.Float64Var(&s.Rate, "rate", 2000, "requests a second, for delays")
	s.Saturated, s.Conns, s.Idle, s.Streams, s.Events = 64, 64, 1000, 200, 100
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("%q is neither a flag nor a part of a measurement", f.Arg(0))
	case s.Seconds < 1 || s.Repeats < 1 || s.Rate <= 0:
		return s, errors.New("-seconds, -repeats and -rate are at least 1")
	}
	return s, nil
}

// run measures, writes the page and says on out which claims hold.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	proxies, err := chosen(s.only)
	if err != nil {
		return err
	}
	results, err := s.results(ctx, proxies, progress)
	if err != nil && (results == nil || len(results.Cells) == 0) {
		return err
	}
	if err != nil {
		fmt.Fprintf(progress, "stopped after %d cells: %v\n", len(results.Cells), err)
	}
	if s.raw != "" {
		text, err := json.MarshalIndent(results, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.raw, text, 0o644); err != nil {
			return err
		}
	}
	return s.write(out, results)
}

// chosen returns the proxies of a list of names; all where it is empty.
func chosen(only string) ([]rival.Proxy, error) {
	all := rival.All()
	if only == "" {
		return all, nil
	}
	var out []rival.Proxy
	for name := range strings.SplitSeq(only, ",") {
		at := slices.IndexFunc(all, func(p rival.Proxy) bool { return p.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no proxy named %q; there are %s", name, strings.Join(rival.Names(), ", "))
		}
		out = append(out, all[at])
	}
	return out, nil
}

// results measures, or reads what was measured.
func (s *settings) results(ctx context.Context, proxies []rival.Proxy, progress io.Writer) (*measure.Results, error) {
	if s.from != "" {
		text, err := os.ReadFile(s.from)
		if err != nil {
			return nil, err
		}
		var r measure.Results
		return &r, json.Unmarshal(text, &r)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	cores, err := process.Cores()
	if err != nil {
		return nil, err
	}
	if len(cores) < 2 {
		return nil, fmt.Errorf("a proxy and its load need a core each, and this process may use %d", len(cores))
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	places, done, err := s.build(ctx, progress)
	if err != nil {
		return nil, err
	}
	defer done()
	return measure.Run(ctx, measure.Options{
		Settings: s.Settings, Proxies: proxies, Places: places, Self: self, Core: cores[0], Load: cores[1], Profile: s.profile, Progress: progress,
	})
}

// build builds Belay and the plain proxy, and tells where they are until done.
func (s *settings) build(ctx context.Context, progress io.Writer) (places rival.Places, done func(), err error) {
	dir, err := os.MkdirTemp("", "dataplane-")
	if err != nil {
		return places, nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	belay := "./cmd/belay"
	if s.profile != "" {
		belay = "./bench/dataplane/profiled"
	}
	places.Belay, places.Plain = filepath.Join(dir, "belay"), filepath.Join(dir, "plain")
	if places.Built, err = filepath.Abs(s.built); err != nil {
		done()
		return places, nil, err
	}
	for _, b := range []struct{ path, what string }{{places.Belay, belay}, {places.Plain, "./bench/dataplane/plain"}} {
		fmt.Fprintf(progress, "build %s\n", b.what)
		cmd := exec.CommandContext(ctx, "nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.path, b.what)
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		if said, err := cmd.CombinedOutput(); err != nil {
			done()
			return places, nil, fmt.Errorf("build %s: %w: %s", b.what, err, said)
		}
	}
	places.Source = revision(ctx)
	return places, done, nil
}

// revision names the commit that is measured; empty where git does not tell.
func revision(ctx context.Context) string {
	text, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// write writes the page and its figures, and says on out which claims hold.
func (s *settings) write(out io.Writer, results *measure.Results) error {
	r := report.Report{Results: results}
	for _, c := range r.Claims() {
		if c.Must == "" {
			fmt.Fprintf(out, "%-12s aim %-8s %s: %s\n", c.Reached, c.Aim, c.Text, c.Measured)
			continue
		}
		fmt.Fprintf(out, "%-12s must %-7s %s: %s\n", c.Verdict, c.Must, c.Text, c.Measured)
	}
	if s.out == "" || s.profile != "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(s.out, "dataplane.md"), []byte(r.Page()), 0o644); err != nil {
		return err
	}
	for _, f := range r.Figures() {
		if err := os.WriteFile(filepath.Join(s.out, f.File), []byte(f.Chart.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
