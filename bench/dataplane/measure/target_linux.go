package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

// target is what is asked: a proxy, or an upstream itself.
type target struct {
	addr  string
	proxy *rival.Running // nil for an upstream
	own   bool           // it is Belay
}

func (t *target) cpu() (time.Duration, error) {
	if t.proxy == nil {
		return 0, nil
	}
	return t.proxy.CPU()
}

func (t *target) ticks() (time.Duration, error) {
	if t.proxy == nil {
		return 0, nil
	}
	return t.proxy.Ticks()
}

// check says what is wrong with the proxy after all.
func (t *target) check(ctx context.Context) error {
	if t.proxy == nil || t.proxy.Check == nil {
		return nil
	}
	return t.proxy.Check(ctx)
}

// warm is how long load runs before it counts.
const warm = time.Second

// saturate sends as many requests as the target takes.
func (r *run) saturate(ctx context.Context, t *target, c *Cell) error {
	script := filepath.Join(r.dir, "requests.lua")
	if err := os.WriteFile(script, []byte(load.Script()), 0o644); err != nil {
		return err
	}
	if _, _, err := r.runWrk(ctx, t.addr, script, warm); err != nil {
		return err
	}
	if err := r.profile(ctx, t, sigBegin); err != nil {
		return err
	}
	before, err := r.costs(t)
	if err != nil {
		return err
	}
	s := &Saturated{}
	var used time.Duration
	if s.Saturation, used, err = r.runWrk(ctx, t.addr, script, time.Duration(r.Seconds)*time.Second); err != nil {
		return err
	}
	after, err := r.costs(t)
	if err != nil {
		return err
	}
	if err := r.profile(ctx, t, sigEnd); err != nil {
		return err
	}
	s.CPU, s.Ticks = after.proxy-before.proxy, after.ticks-before.ticks
	ours := s.CPU + after.models - before.models + used
	s.Foreign = max((after.busy-before.busy-ours).Seconds()/after.at.Sub(before.at).Seconds(), 0)
	c.Saturated = s
	if t.proxy != nil && c.Memory != nil {
		c.Memory.Loaded, err = t.proxy.Resident()
	}
	return err
}

// runWrk runs wrk, and tells the processor time that it took.
func (r *run) runWrk(ctx context.Context, addr, script string, d time.Duration) (load.Saturation, time.Duration, error) {
	p, err := process.Start(ctx, process.Spec{Name: "wrk", Path: r.wrk.Path, Args: load.WrkArgs(addr, script, r.Saturated, d), Core: r.Load})
	if err != nil {
		return load.Saturation{}, 0, err
	}
	defer p.Stop()
	if err := p.Wait(ctx); err != nil {
		return load.Saturation{}, 0, err
	}
	var said strings.Builder
	for {
		line, err := p.Line(ctx)
		if err != nil { // It has ended, and everything was read.
			break
		}
		said.WriteString(line + "\n")
	}
	s, err := load.ParseWrk(said.String())
	return s, p.Used(), err
}

// costs are the processor times at a moment.
type costs struct {
	at                         time.Time
	proxy, ticks, models, busy time.Duration
}

func (r *run) costs(t *target) (costs, error) {
	c := costs{at: time.Now()}
	var errs [3]error
	c.proxy, errs[0] = t.cpu()
	c.ticks, errs[1] = t.ticks()
	for _, m := range r.models {
		used, err := m.CPU()
		if err != nil {
			return c, err
		}
		c.models += used
	}
	cores, err := process.Busy()
	errs[2] = err
	for _, busy := range cores {
		c.busy += busy
	}
	return c, errors.Join(errs[:]...)
}

// The signals that bench/dataplane/profiled follows.
const (
	sigBegin = syscall.SIGUSR1
	sigEnd   = syscall.SIGUSR2
)

// profile begins or ends a profile of Belay, where one is wanted.
func (r *run) profile(ctx context.Context, t *target, order syscall.Signal) error {
	if r.Profile == "" || !t.own {
		return nil
	}
	if err := t.proxy.Signal(order); err != nil || order == sigBegin {
		return err
	}
	written := filepath.Join(t.proxy.Dir, "cpu.pprof")
	for range 100 {
		if text, err := os.ReadFile(written); err == nil {
			return os.WriteFile(r.Profile, text, 0o644)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the profile was not written")
}

// open sends requests at a fixed rate, with everything on one core.
func (r *run) open(ctx context.Context, t *target, c *Cell) error {
	if t.proxy != nil {
		if err := t.proxy.Move(r.Load); err != nil {
			return err
		}
	}
	awake, err := r.awake(ctx)
	if err != nil {
		return err
	}
	defer awake.Stop()
	before, err := t.cpu()
	if err != nil {
		return err
	}
	p, err := r.self(ctx, "open", "-addr", t.addr, "-rate", number(r.Rate), "-conns", strconv.Itoa(r.Conns),
		"-warm", warm.String(), "-for", (time.Duration(r.Seconds) * time.Second).String(), "-seed", strconv.Itoa(c.Repeat+1))
	if err != nil {
		return err
	}
	defer p.Stop()
	o := &Open{}
	if err := answer(ctx, p, &o.Opened); err != nil {
		return err
	}
	after, err := t.cpu()
	if err != nil {
		return err
	}
	o.CPU, c.Open = after-before, o
	return nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// self starts a command of this program on the core of the load.
func (r *run) self(ctx context.Context, command string, args ...string) (*process.Process, error) {
	return process.Start(ctx, process.Spec{
		Name: command, Path: r.Self, Args: append([]string{command}, args...), Core: r.Load, Env: []string{"GOMAXPROCS=1"},
	})
}

// awake keeps the core of the load from sleeping.
func (r *run) awake(ctx context.Context) (*process.Process, error) { return r.self(ctx, "spin") }

// answer reads a line of JSON.
func answer(ctx context.Context, p *process.Process, into any) error {
	line, err := p.Line(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), into); err != nil {
		return fmt.Errorf("it answers %.200q: %w", line, err)
	}
	return nil
}

// streams measures streams, with everything on one core.
func (r *run) streams(ctx context.Context, p *rival.Proxy, c *Cell) error {
	ends, err := r.self(ctx, "streams", "-streams", strconv.Itoa(r.Streams), "-rate", number(r.Events),
		"-warm", warm.String(), "-for", (time.Duration(r.Seconds) * time.Second).String())
	if err != nil {
		return err
	}
	defer ends.Stop()
	var up Upstreams
	if err := answer(ctx, ends, &up); err != nil {
		return err
	}
	t := &target{addr: up.Addrs[0]}
	if p != nil {
		running, err := r.start(ctx, p, rival.Setup{Core: r.Load, Upstreams: up.Addrs, Streams: true})
		if err != nil {
			return err
		}
		defer running.Stop()
		t.proxy, t.addr = running, running.Addr
		if err := pause(ctx, settle); err != nil {
			return err
		}
	}
	awake, err := r.awake(ctx)
	if err != nil {
		return err
	}
	defer awake.Stop()
	before, err := t.cpu()
	if err != nil {
		return err
	}
	if err := ends.Tell(t.addr); err != nil {
		return err
	}
	s := &Streams{}
	if err := answer(ctx, ends, &s.Streamed); err != nil {
		return err
	}
	after, err := t.cpu()
	if err != nil {
		return err
	}
	s.CPU, c.Streams = after-before, s
	return t.check(ctx)
}
