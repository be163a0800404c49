package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Real full and read-only disks: each test runs in a process with name spaces
// of its own, where it may mount a small file system and be a user without
// rights.
func init() {
	roles["fill a disk"] = fillADisk
	roles["start on a full disk"] = startOnAFullDisk
	roles["start on a read-only disk"] = startOnAReadOnlyDisk
	roles["start without rights"] = startWithoutRights
}

const (
	root   = 0    // may mount
	nobody = 1000 // owns the files, and has no rights beyond their modes
)

func TestRealDisks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		role string
		user int
	}{
		"a disk that fills up fails commits and heals by itself": {"fill a disk", root},
		"a full disk at start":                   {"start on a full disk", root},
		"a read-only disk at start":              {"start on a read-only disk", root},
		"a directory without the right to write": {"start without rights", nobody},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := process(t, tt.role, t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: tt.user, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: tt.user, HostID: os.Getgid(), Size: 1}},
			}
			if err := cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
				t.Skipf("this machine allows no name spaces of our own: %v", err)
			} else {
				must(t, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", tt.role, err)
			}
		})
	}
}

// mount puts an empty file system of the given size over dir.
func mount(dir, size string) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
}

// expect returns an error unless err is the expected problem.
func expect(err error, code problem.Code, says ...string) error {
	if problem.CodeOf(err) != code {
		return fmt.Errorf("want the problem %q, got %q: %w", code, problem.CodeOf(err), err)
	}
	for _, part := range says {
		if !strings.Contains(err.Error(), part) {
			return fmt.Errorf("want a sentence with %q, got: %w", part, err)
		}
	}
	return nil
}

// ballast takes all the room that is left on a disk.
func ballast(path string) error {
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

func fillADisk(ctx context.Context, dir string, _ io.Writer) error {
	if err := mount(dir, "8m"); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	if _, err := s.PutModel(ctx, store.Model{Name: "m"}); err != nil {
		return err
	}
	if err := s.Create(ctx, store.Rollout{ID: 7, Name: "r", Model: "m", State: rollout.State{Phase: rollout.Pending}}); err != nil {
		return err
	}
	if err := ballast(filepath.Join(dir, "ballast")); err != nil {
		return err
	}
	n, err := fill(ctx, s, 7)
	if err := expect(err, problem.Unavailable, "free"); err != nil {
		return err
	}
	// Reads and checks go on: everything that was answered is there.
	r, err := s.Rollout(ctx, "r")
	if err != nil || r.Last.Seq != n-1 {
		return fmt.Errorf("%d commits were answered, %d are kept (%w)", n-1, r.Last.Seq, err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		return err
	}
	if _, err := s.Commit(ctx, step(7, n)); err != nil {
		return fmt.Errorf("the disk has room again: %w", err)
	}
	if found, err := s.Check(ctx); err != nil || len(found) > 0 {
		return fmt.Errorf("found damage %v (%w)", found, err)
	}
	return errors.Join(s.Ping(ctx), s.Close())
}

func startOnAFullDisk(ctx context.Context, dir string, _ io.Writer) error {
	if err := mount(dir, "64k"); err != nil {
		return err
	}
	if err := ballast(filepath.Join(dir, "ballast")); err != nil {
		return err
	}
	_, err := sqlite.Open(ctx, dir)
	if err := expect(err, problem.Unavailable, "full", "free some space"); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, filepath.Join(dir, "new"))
	return expect(err, problem.Unavailable, "full", "free some space")
}

func startOnAReadOnlyDisk(ctx context.Context, dir string, _ io.Writer) error {
	if err := mount(dir, "8m"); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, dir)
	if err := expect(err, problem.Unavailable, "read-only", "--data"); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, filepath.Join(dir, "new"))
	return expect(err, problem.Unavailable, "cannot be created", "read-only", "--data")
}

func startWithoutRights(ctx context.Context, dir string, _ io.Writer) error {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	// The directory can be entered and read, but nothing can be added.
	if err := os.Chmod(dir, 0o500); err != nil {
		return err
	}
	defer func() { _ = os.Chmod(dir, 0o700) }() // For whoever cleans up.
	_, err = sqlite.Open(ctx, filepath.Join(dir, "new"))
	if err := expect(err, problem.Unavailable, "cannot be created", "the right to write"); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, dir)
	if err := expect(err, problem.Unavailable, "the right to write"); err != nil {
		return fmt.Errorf("a directory that is closed to writes: %w", err)
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(filepath.Join(dir, sqlite.File), 0o400)); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, dir)
	if err := expect(err, problem.Unavailable, "the right to write"); err != nil {
		return fmt.Errorf("a database that is closed to writes: %w", err)
	}
	if err := os.Chmod(dir, 0); err != nil {
		return err
	}
	_, err = sqlite.Open(ctx, dir)
	return expect(err, problem.Unavailable, "the right to write")
}
