package e2e

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// said is what a command came to.
type said struct {
	t        *testing.T
	args     string
	out, err string
	status   int
}

// command runs the program as a person does, against a server and with a text at
// its standard input.
func command(t *testing.T, s *server, stdin string, args ...string) *said {
	t.Helper()
	cmd := program(t, s, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if err != nil && !ended {
		t.Fatal(err)
	}
	r := &said{t: t, args: strings.Join(args, " "), out: out.String(), err: errs.String()}
	if ended {
		r.status = exit.ExitCode()
	}
	t.Logf("$ belay %s   (exit %d)\n%s%s", r.args, r.status, r.out, r.err)
	return r
}

// program is the program, not started yet.
func program(t *testing.T, s *server, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), commandEnv+"=1", "BELAY_ACTOR=mira", "XDG_CONFIG_HOME="+t.TempDir())
	if s != nil {
		cmd.Env = append(cmd.Env, "BELAY_SERVER=http://"+s.admin)
	}
	return cmd
}

// fails expects a refusal: a status, nothing on standard output, and a message
// with every one of the texts.
func (r *said) fails(status int, texts ...string) {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("belay %s: exit status %d, want %d", r.args, r.status, status)
	}
	if r.out != "" {
		r.t.Errorf("belay %s: standard output of a command that did nothing: %s", r.args, r.out)
	}
	has(r.t, r.err, texts...)
}

// works expects success, with every one of the texts on standard output.
func (r *said) works(texts ...string) {
	r.t.Helper()
	if r.status != 0 {
		r.t.Errorf("belay %s: exit status %d: %s", r.args, r.status, r.err)
	}
	has(r.t, r.out, texts...)
}

// has expects texts within a message.
func has(t *testing.T, message string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(message, text) {
			t.Errorf("want %q in: %s", text, message)
		}
	}
}

// get reads from the API.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := patient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
