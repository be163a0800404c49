package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/belay-rollouts/belay/internal/app"
	"github.com/belay-rollouts/belay/internal/cli"
	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"belay": func() { os.Exit(cli.Main(os.Args[1:])) }})
}

// TestStories plays each script of testdata/script against a server of its own
// (the real one, with its database and its router) and fake models.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	if testing.Short() { // A child process takes a second to start under the race detector.
		files = []string{"testdata/script/promoted.txtar", "testdata/script/rolledback.txtar"}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			testscript.Run(t, testscript.Params{
				Files: []string{file}, Setup: w.setup, RequireExplicitExec: true,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "traffic": w.traffic, "errors": w.errors, "tensors": w.tensors, "assignment": w.assignment, "holds": holds,
				},
			})
		})
	}
}

// world is what a script plays in.
type world struct {
	app     *app.App
	models  map[string]*fakemodel.Server
	callers *http.Client
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu    sync.Mutex
	token string // the last that was seen
}

func startWorld(t *testing.T) *world {
	t.Helper()
	s := config.Default()
	s.Data, s.Listen, s.Admin = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", "127.0.0.1:0"
	s.Tick, s.Drain = 100*time.Millisecond, 20*time.Second
	a, err := app.New(t.Context(), app.Options{Settings: s})
	if err == nil {
		err = a.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &world{app: a, models: map[string]*fakemodel.Server{}, callers: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	for _, version := range []string{"v1", "v2"} {
		w.models[version] = fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: version})
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	t.Cleanup(func() {
		w.stop()
		w.wg.Wait()
		w.callers.CloseIdleConnections()
		if err := a.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) setup(env *testscript.Env) error {
	env.Setenv("BELAY_SERVER", w.app.URL())
	env.Setenv("BELAY_ACTOR", "mira")
	env.Setenv("XDG_CONFIG_HOME", env.WorkDir)
	env.Setenv("TRAFFIC", "http://"+w.app.TrafficAddr())
	env.Setenv("ADMIN", w.app.AdminAddr())
	for version, m := range w.models {
		env.Setenv(strings.ToUpper(version), m.URL())
	}
	// Files say where the models are by their names in capitals.
	files, err := filepath.Glob(filepath.Join(env.WorkDir, "*.yaml"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		filled := os.Expand(string(text), func(name string) string { return env.Getenv(name) })
		if err := os.WriteFile(file, []byte(filled), 0o600); err != nil {
			return err
		}
	}
	return err
}

// exits runs a command that must end with a status: exits 10 belay status x.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// holds waits until a command prints a text: holds TEXT COMMAND….
func holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: holds TEXT COMMAND…")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v never printed %q", args[1:], args[0])
		}
	}
}

// traffic sends requests at a rate until the script ends: traffic 300.
func (w *world) traffic(ts *testscript.TestScript, neg bool, args []string) {
	perSecond, err := strconv.Atoi(strings.Join(args, ""))
	if neg || err != nil {
		ts.Fatalf("usage: traffic REQUESTS-A-SECOND")
	}
	ctx, stop := context.WithCancel(context.Background())
	ts.Defer(stop)
	const callers = 4
	for i := range callers {
		w.wg.Go(func() {
			every := time.NewTicker(callers * time.Second / time.Duration(perSecond))
			defer every.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-every.C:
					w.ask(ctx, fmt.Sprintf("user-%d-%d", i, n%5))
				}
			}
		})
	}
}

// ask sends one request. What became of it is told by the server.
func (w *world) ask(ctx context.Context, user string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.app.TrafficAddr()+"/v2/models/fraud/infer",
		strings.NewReader(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}`))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User-Id", user)
	resp, err := w.callers.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if token := resp.Header.Get("Belay-Assignment"); token != "" {
		w.mu.Lock()
		w.token = token
		w.mu.Unlock()
	}
}

// errors makes a version fail a share of its requests: errors v2 0.3.
func (w *world) errors(ts *testscript.TestScript, neg bool, args []string) {
	share, err := strconv.ParseFloat(slices.Concat(args, []string{"", ""})[1], 64)
	if neg || err != nil || w.models[args[0]] == nil {
		ts.Fatalf("usage: errors VERSION SHARE")
	}
	w.models[args[0]].SetErrors(share, http.StatusInternalServerError)
}

// tensors makes a version declare other tensors: tensors v2.
func (w *world) tensors(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || w.models[args[0]] == nil {
		ts.Fatalf("usage: tensors VERSION")
	}
	other := []fakemodel.Tensor{{Name: "another", Datatype: "INT64", Shape: []int64{-1, 9}}}
	w.models[args[0]].SetTensors(other, other)
}

// assignment puts the next assignment token that a caller gets into a variable.
func (w *world) assignment(ts *testscript.TestScript, _ bool, args []string) {
	w.mu.Lock()
	w.token = ""
	w.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		token := w.token
		w.mu.Unlock()
		if token != "" {
			ts.Setenv(args[0], token)
			return
		}
	}
	ts.Fatalf("no answer carried an assignment")
}
