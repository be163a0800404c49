package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a process.
const (
	grace     = 5 * time.Second // from the request to end until it is killed
	lineRoom  = 64              // lines that wait to be read; more are dropped
	complaint = 8 << 10         // bytes of what it said that are kept
)

// Spec says what to start.
type Spec struct {
	Name string // in errors
	Path string
	Args []string
	Env  []string // besides those of this process
	Core int
	Dir  string
}

// Process is a program that runs, with its children.
type Process struct {
	name  string
	pid   int
	cmd   *exec.Cmd
	input io.WriteCloser
	lines chan string
	said  tail
	done  chan struct{} // closed when it has ended
	err   error         // how it ended; read after done
	stop  sync.Once
	work  sync.WaitGroup
}

// Start starts a program. It is stopped when ctx ends, at the latest.
func Start(ctx context.Context, s Spec) (*Process, error) {
	p := &Process{name: s.Name, lines: make(chan string, lineRoom), done: make(chan struct{})}
	cmd := exec.Command(s.Path, s.Args...) //nolint:noctx // A context kills the program alone; its children are ended, too, by Stop.
	cmd.Env, cmd.Dir, cmd.Stderr = append(cmd.Environ(), s.Env...), s.Dir, &p.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = grace
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.cmd = cmd
	if err := onCore(s.Core, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p.pid = cmd.Process.Pid
	p.work.Go(func() { p.watch(out) })
	stopped := context.AfterFunc(ctx, p.Stop)
	p.work.Go(func() { <-p.done; stopped() })
	return p, nil
}

// watch reads what the program writes, until it ends.
func (p *Process) watch(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		select {
		case p.lines <- lines.Text():
		default: // Nobody reads.
		}
	}
	_, _ = io.Copy(io.Discard, out) // After a line that is too long.
	close(p.lines)
	p.err = p.cmd.Wait()
	close(p.done)
}

// Line waits for the next line of the program's standard output.
func (p *Process) Line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if ok {
			return line, nil
		}
		select {
		case <-p.done:
		case <-ctx.Done():
		}
		if err := p.Ended(); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s says nothing more", p.name)
	case <-ctx.Done():
		return "", fmt.Errorf("wait for %s: %w%s", p.name, ctx.Err(), p.said.quote())
	}
}

// Tell writes a line to the program's standard input.
func (p *Process) Tell(line string) error {
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		return fmt.Errorf("speak to %s: %w", p.name, err)
	}
	return nil
}

// Signal sends a signal to the program alone.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// PID is the number of the process.
func (p *Process) PID() int { return p.pid }

// Ended returns nil while the program runs, and how it ended afterwards.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %w%s", p.name, orElse(p.err, errNoProcess), p.said.quote())
	default:
		return nil
	}
}

func orElse(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// Wait waits until the program has ended by itself, and returns its failure.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
	if p.err != nil {
		return p.Ended()
	}
	return nil
}

// Used is the processor time of a program that has ended.
func (p *Process) Used() time.Duration {
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return 0
	}
}

// Stop asks the program and its children to end and kills them when they do not.
// It returns when all of them have ended, which they have when nobody has the
// standard output open any more; stopping twice is harmless.
func (p *Process) Stop() {
	p.stop.Do(func() {
		_ = p.input.Close()
		for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGKILL} {
			if p.Ended() == nil { // The group is ours as long as one of its members is there.
				_ = unix.Kill(-p.pid, s)
			}
			select {
			case <-p.done:
			case <-time.After(grace):
			}
		}
		p.work.Wait()
	})
}

// ended reports whether a thread was not there any more.
func ended(err error) bool { return errors.Is(err, unix.ESRCH) }

// tail keeps the end of what a program said.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - complaint; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return ""
	}
	return ": " + text
}
