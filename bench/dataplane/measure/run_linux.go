package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

// Options say what is measured.
type Options struct {
	Settings
	Proxies  []rival.Proxy
	Places   rival.Places
	Self     string // the program that has the commands open, streams and spin
	Core     int    // of the proxy
	Load     int    // the core of everything else
	Profile  string // the file for a profile of Belay while it is saturated; empty makes none
	Progress io.Writer
}

// run is a run under way.
type run struct {
	Options
	results  *Results
	dir      string
	programs map[string]rival.Program
	wrk      rival.Program
	models   []*rival.Running // the upstreams
}

// Run measures. What it returns is complete as far as it came, also with an
// error.
func Run(ctx context.Context, o Options) (*Results, error) {
	r := &run{Options: o, results: &Results{Began: time.Now(), Settings: o.Settings, Machine: machine()}, programs: map[string]rival.Program{}}
	defer func() { r.results.Took = time.Since(r.results.Began) }()
	if err := r.prepare(ctx); err != nil {
		return r.results, err
	}
	var err error
	if r.dir, err = os.MkdirTemp("", "dp"); err != nil { // Short: it holds a Unix socket.
		return r.results, err
	}
	defer os.RemoveAll(r.dir) //nolint:errcheck // A folder for temporary files.
	for i, arm := range []string{"a", "b"} {
		dir, err := r.folder("upstream-" + arm)
		if err != nil {
			return r.results, err
		}
		model, err := rival.Upstream(ctx, dir, arm, o.Load)
		if err != nil {
			return r.results, err
		}
		defer model.Stop()
		if r.models = append(r.models, model); i == 0 {
			r.results.Settings.Wrk = r.wrk.Version
		}
	}
	return r.results, r.all(ctx)
}

// prepare finds all programs.
func (r *run) prepare(ctx context.Context) error {
	var err error
	if r.wrk, err = rival.Wrk(ctx); err != nil {
		return err
	}
	r.results.Settings.Wrk = r.wrk.Version
	r.results.Proxies = append(r.results.Proxies, Subject{Name: Direct, Title: "no proxy", About: "callers ask the upstream of the baseline themselves"})
	for _, p := range r.Proxies {
		program, err := p.Find(ctx, r.Places)
		if err != nil {
			r.results.Missing = append(r.results.Missing, Missing{p.Name, p.Title, err.Error()})
			r.say("%-15s missing: %v", p.Name, err)
			continue
		}
		r.programs[p.Name] = program
		about := p.About
		if program.Note != "" {
			about += "; " + program.Note
		}
		r.results.Proxies = append(r.results.Proxies, Subject{p.Name, p.Title, about, program.Version, p.Own})
	}
	if len(r.programs) == 0 {
		return errors.New("there is nothing to measure")
	}
	return nil
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Progress, format+"\n", args...) }

// folder makes a folder for a proxy.
func (r *run) folder(name string) (string, error) {
	dir := filepath.Join(r.dir, name)
	return dir, os.Mkdir(dir, 0o755) // nginx gives its worker another user.
}

// all goes through all proxies, again and again.
func (r *run) all(ctx context.Context) error {
	subjects := []*rival.Proxy{nil}
	for i := range r.Proxies {
		if _, found := r.programs[r.Proxies[i].Name]; found {
			subjects = append(subjects, &r.Proxies[i])
		}
	}
	for repeat := range r.Repeats {
		for _, p := range subjects {
			cell := r.cell(ctx, p, repeat)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.results.Cells = append(r.results.Cells, cell)
			r.tell(&cell)
		}
		slices.Reverse(subjects)
	}
	return nil
}

// cell measures one proxy once; nil is the way without one.
func (r *run) cell(ctx context.Context, p *rival.Proxy, repeat int) Cell {
	c := Cell{Proxy: Direct, Repeat: repeat}
	if p != nil {
		c.Proxy = p.Name
	}
	limit := time.Minute + 4*time.Duration(r.Seconds)*time.Second
	for _, part := range []struct {
		what string
		do   func(context.Context, *rival.Proxy, *Cell) error
	}{{"requests", r.requests}, {"streams", r.streams}} {
		bounded, cancel := context.WithTimeout(ctx, limit)
		if err := part.do(bounded, p, &c); err != nil {
			c.Failures = append(c.Failures, part.what+": "+err.Error())
		}
		cancel()
	}
	return c
}

// tell says what a cell showed.
func (r *run) tell(c *Cell) {
	text := fmt.Sprintf("%d/%d %-15s", c.Repeat+1, r.Repeats, c.Proxy)
	if s := c.Saturated; s != nil {
		text += fmt.Sprintf("  %7.0f req/s %6.1f µs each", float64(s.Requests)/s.Took.Seconds(), micro(s.PerRequest()))
	}
	if o := c.Open; o != nil {
		text += fmt.Sprintf("  p50 %4.0f p99 %5.0f µs", micro(o.Delay.P50), micro(o.Delay.P99))
	}
	if s := c.Streams; s != nil {
		text += fmt.Sprintf("  events p50 %4.0f p99 %5.0f µs", micro(s.Delay.P50), micro(s.Delay.P99))
	}
	if m := c.Memory; m != nil {
		text += fmt.Sprintf("  %3.0f MB", float64(m.Idle)/1e6)
	}
	r.say("%s", text)
	for _, f := range c.Failures {
		r.say("    failed: %s", f)
	}
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// start starts a proxy in a new folder on a core.
func (r *run) start(ctx context.Context, p *rival.Proxy, s rival.Setup) (*rival.Running, error) {
	var err error
	if s.Dir, err = r.folder(p.Name + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)); err != nil {
		return nil, err
	}
	return p.Start(ctx, r.programs[p.Name], s)
}

// requests measures everything but streams.
func (r *run) requests(ctx context.Context, p *rival.Proxy, c *Cell) error {
	target := &target{addr: r.models[0].Addr}
	if p != nil {
		running, err := r.start(ctx, p, rival.Setup{Core: r.Core, Upstreams: [2]string{r.models[0].Addr, r.models[1].Addr}})
		if err != nil {
			return err
		}
		defer running.Stop()
		target.proxy, target.addr, target.own = running, running.Addr, p.Own
		if err := r.memory(ctx, running, c); err != nil {
			return fmt.Errorf("idle: %w", err)
		}
	}
	var errs []error
	if err := r.saturate(ctx, target, c); err != nil {
		errs = append(errs, fmt.Errorf("saturated: %w", err))
	}
	if err := r.open(ctx, target, c); err != nil {
		errs = append(errs, fmt.Errorf("open: %w", err))
	}
	return errors.Join(append(errs, target.check(ctx))...)
}

// settle is how long a proxy gets to become quiet.
const settle = 300 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// memory measures a proxy that has just begun, without and with idle callers.
func (r *run) memory(ctx context.Context, p *rival.Running, c *Cell) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	m := &Memory{}
	var err error
	if m.Start, err = p.Resident(); err != nil {
		return err
	}
	shut, err := load.Idle(ctx, p.Addr, r.Idle)
	if err != nil {
		return err
	}
	defer shut()
	if err := pause(ctx, settle); err != nil {
		return err
	}
	if m.Idle, err = p.Resident(); err != nil {
		return err
	}
	c.Memory = m
	return nil
}
