package e2e

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
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
	"github.com/belay-rollouts/belay/internal/app"
	"github.com/belay-rollouts/belay/internal/cli"
	"github.com/belay-rollouts/belay/internal/config"
)

// serverEnv makes the test binary a server: its value is data, traffic address
// and admin address, separated by commas.
const serverEnv = "BELAY_E2E_SERVER"

// commandEnv makes the test binary the program that people run.
const commandEnv = "BELAY_E2E_COMMAND"

func TestMain(m *testing.M) {
	if err := prepareDisk(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if spec := os.Getenv(serverEnv); spec != "" {
		os.Exit(serve(strings.Split(spec, ",")))
	}
	if os.Getenv(commandEnv) != "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// serve is the child process: the whole product, until SIGTERM or SIGKILL.
func serve(spec []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := config.Default()
	s.Data, s.Listen, s.Admin = spec[0], spec[1], spec[2]
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(ctx, app.Options{Settings: s, Log: log})
	if err == nil {
		err = a.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "ready")
	err = a.Wait(ctx)
	if stopped := a.Stop(ctx); err != nil || stopped != nil {
		fmt.Fprintln(os.Stderr, err, stopped)
		return 1
	}
	return 0
}

// server is a server in a process of its own, at addresses that stay the same
// over its restarts.
type server struct {
	t       *testing.T
	data    string
	traffic string
	admin   string
	client  *client.Client
	cmd     *exec.Cmd
	exited  chan error
	// prepare, if given, is done to each process before its start.
	prepare func(*exec.Cmd)
}

func newServer(t *testing.T) *server {
	t.Helper()
	return newServerIn(t, filepath.Join(t.TempDir(), "data"), nil)
}

// newServerIn starts a server in surroundings of its own.
func newServerIn(t *testing.T, data string, prepare func(*exec.Cmd)) *server {
	t.Helper()
	s := &server{prepare: prepare, t: t, data: data, traffic: freeAddr(t), admin: freeAddr(t)}
	c, err := client.New(client.Options{Server: "http://" + s.admin, Actor: "e2e", Tries: 1, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.client = c
	t.Cleanup(s.kill)
	s.start()
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the process and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), serverEnv+"="+strings.Join([]string{s.data, s.traffic, s.admin}, ","))
	s.cmd.Stderr = os.Stderr
	if s.prepare != nil {
		s.prepare(s.cmd)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		s.t.Fatalf("the server did not get ready: %q, %v", lines.Text(), s.cmd.Wait())
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(s.cmd, s.exited)
}

// kill ends the process as a power cut would, and waits for it to be gone.
func (s *server) kill() {
	if s.exited == nil {
		return
	}
	_ = s.cmd.Process.Kill() // It may be gone already.
	<-s.exited
	s.exited = nil
}

// stop asks the process to stop, and expects it to do so well.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		s.exited = nil
		if err != nil {
			s.t.Errorf("the server did not stop well: %v", err)
		}
	case <-time.After(20 * time.Second):
		s.t.Error("the server does not stop")
	}
}

func (s *server) apply(file string) {
	s.t.Helper()
	if _, err := s.client.Apply(s.t.Context(), client.ApplyRequest{File: "test.yaml", Data: []byte(file)}); err != nil {
		s.t.Fatal(err)
	}
}

// status waits for an answer, because the server may just be starting.
func (s *server) status(name string) client.Rollout {
	s.t.Helper()
	r, err := s.client.Status(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// wait polls the rollout until done reports true, or fails at the deadline.
func (s *server) wait(name string, within time.Duration, done func(client.Rollout) bool) client.Rollout {
	s.t.Helper()
	deadline := time.Now().Add(within)
	for {
		r := s.status(name)
		if done(r) {
			return r
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("after %v the rollout %s is %s at stage %d: %s", within, name, r.Phase, r.Stage.Index, sentence(r))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ended reports whether the rollout is over and its last decision is stored,
// which follows the move of the traffic.
func ended(r client.Rollout) bool {
	return client.Final(r.Phase) && r.Last != nil && (r.Last.Kind == client.DecisionRollback || r.Last.Kind == client.DecisionComplete)
}

func sentence(r client.Rollout) string {
	if r.Last == nil {
		return ""
	}
	return r.Last.Sentence
}

// log reads the whole decision log.
func (s *server) log(name string) []client.Decision {
	s.t.Helper()
	var out []client.Decision
	for {
		var after int64
		if len(out) > 0 {
			after = out[len(out)-1].Seq
		}
		page, err := s.client.Decisions(s.t.Context(), client.DecisionRequest{Rollout: name, After: after, Limit: 100})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
	}
}

// checkLog: what was told once is there for ever.
func checkLog(t *testing.T, before, after []client.Decision) {
	t.Helper()
	if len(after) < len(before) {
		t.Fatalf("%d decisions became %d", len(before), len(after))
	}
	for i := range before {
		if before[i].Hash != after[i].Hash {
			t.Errorf("decision %d has another hash: %q became %q", before[i].Seq, before[i].Sentence, after[i].Sentence)
		}
	}
}

// infer is the address that callers of a model use.
func (s *server) infer(model string) string {
	return "http://" + s.traffic + "/v2/models/" + model + "/infer"
}

// transport is for callers: many connections, no repetition of its own.
func transport(t *testing.T) *http.Transport {
	tr := &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// patient sends single requests.
var patient = &http.Client{Timeout: 20 * time.Second}
