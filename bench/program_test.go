package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// build builds the program, as it is released.
func build(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "belay")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../cmd/belay")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// served is the program, running as a server of its own.
type served struct {
	traffic, admin string // URLs
	cmd            *exec.Cmd
	said           bytes.Buffer
}

// serve starts the program and waits until it is ready.
func serve(b *testing.B, program, data string) *served {
	b.Helper()
	s := &served{cmd: exec.CommandContext(b.Context(), program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "error")}
	s.cmd.Stderr = &s.said
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		name, url, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "traffic":
			s.traffic = url
		case "admin":
			s.admin = url
			return s
		}
	}
	_ = s.cmd.Wait()
	b.Fatal(fmt.Errorf("the server did not get ready: %s", s.said.String()))
	return nil
}

// stop stops the server.
func (s *served) stop(b *testing.B) {
	b.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		b.Errorf("%v: %s", err, s.said.String())
	}
}
