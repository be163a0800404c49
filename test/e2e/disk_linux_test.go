package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// diskEnv gives a process a small disk of its own over a directory, in a name
// space that nobody else sees: directory, size and state, separated by commas.
const diskEnv = "BELAY_E2E_DISK"

// The states of a disk. A process with a disk fills it at SIGUSR1 and frees it
// at SIGUSR2.
const (
	empty    = "empty"
	full     = "full"
	readOnly = "read-only"
)

// prepareDisk mounts the disk that the environment asks for.
func prepareDisk() error {
	spec := os.Getenv(diskEnv)
	if spec == "" {
		return nil
	}
	parts := strings.Split(spec, ",")
	dir, size, state := parts[0], parts[1], parts[2]
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return fmt.Errorf("mount a disk: %w", err)
	}
	ballast := filepath.Join(dir, "ballast")
	switch state {
	case full:
		return fill(ballast)
	case readOnly:
		return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	}
	turns := make(chan os.Signal, 1)
	signal.Notify(turns, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for turn := range turns {
			err := os.RemoveAll(ballast)
			if turn == syscall.SIGUSR1 {
				err = fill(ballast)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "ballast:", err)
			}
		}
	}()
	return nil
}

// fill takes all the room that is left on a disk.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return f.Close()
}

// onDisk gives a process a disk, or skips the test where that cannot be; never
// on a machine that has to show it.
func onDisk(t *testing.T, dir, size, state string) func(*exec.Cmd) {
	t.Helper()
	apply := func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, diskEnv+"="+dir+","+size+","+state)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	try := exec.CommandContext(t.Context(), "true")
	apply(try)
	if err := try.Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this machine allows no name spaces of our own: %v", err)
		}
		t.Skipf("this machine allows no name spaces of our own: %v", err)
	}
	return apply
}

// A server that cannot write its data says so when it starts, and what to do.
func TestADiskThatCannotBeWrittenIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	for state, texts := range map[string][]string{
		readOnly: {"read-only", "choose another one with --data"},
		full:     {"no space left on device", "its disk is full: free some space, then start again"},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := program(t, nil, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
			onDisk(t, dir, "64k", state)(cmd)
			out, err := cmd.CombinedOutput()
			t.Logf("$ belay serve --data %s   (%v)\n%s", dir, err, out)
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
				t.Errorf("it ended with %v", err)
			}
			has(t, string(out), append(texts, "belay: the data directory "+dir)...)
		})
	}
}

// The disk fills up under a running rollout. The traffic goes on, the server says
// what is wrong, a candidate that fails is rolled back all the same, and when
// there is room again everything that happened is stored.
func TestADiskThatFillsUpDelaysNoRollbackAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newServerIn(t, dir, onDisk(t, dir, "16m", empty))
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	c := call(t, s.infer("m"), 200, 200)
	s.apply(rolloutFile("r", candidate))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Exposure.Requests > 20 })
	before := s.log("r")

	s.signal(syscall.SIGUSR1)
	told := s.wait("r", 30*time.Second, func(r client.Rollout) bool { return r.Trouble != "" })
	t.Logf("trouble: %s", told.Trouble)
	has(t, told.Trouble, "full", "free")
	if ready, text := probe(t, s); ready {
		t.Error("a server that cannot store says that it is ready")
	} else {
		has(t, text, "full")
	}
	command(t, s, policy("    - {weight: 100%, dwell: 1h, holdback: 1%}\n", anyGate), "apply", "-f", "-").fails(1, "full", "free some space")

	candidate.SetErrors(1, 500)
	r := s.wait("r", 30*time.Second, func(r client.Rollout) bool { return client.Final(r.Phase) })
	t.Logf("while the disk is full: %s", sentence(r))
	time.Sleep(200 * time.Millisecond)
	started := candidate.Started()
	time.Sleep(500 * time.Millisecond)
	if candidate.Started() != started {
		t.Error("the candidate still gets requests: the full disk has delayed the rollback")
	}

	s.signal(syscall.SIGUSR2)
	r = s.wait("r", 30*time.Second, func(r client.Rollout) bool {
		return r.Trouble == "" && r.Last != nil && r.Last.Kind == client.DecisionRollback
	})
	t.Logf("with room again: %s", sentence(r))
	checkLog(t, before, s.log("r"))
	c.halt()
	if n := c.failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed: %s", n, c.sent.Load(), c.why())
	}
}

// signal tells the process something.
func (s *server) signal(what os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(what); err != nil {
		s.t.Fatal(err)
	}
}

// probe asks whether the server is ready.
func probe(t *testing.T, s *server) (bool, string) {
	t.Helper()
	status, text := get(t, "http://"+s.admin+"/readyz")
	return status == http.StatusOK, text
}
