package measure

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/bench/dataplane/rival"
)

func TestWhatCannotBeMeasuredIsNamedAndNothingIsStarted(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	var gone []rival.Proxy
	for _, p := range rival.All() {
		if p.Name == "caddy" || p.Name == "belay" {
			gone = append(gone, p)
		}
	}
	dir := t.TempDir()
	got, err := Run(t.Context(), Options{Settings: Settings{Repeats: 1, Seconds: 1}, Proxies: gone, Places: rival.Places{Built: dir, Belay: filepath.Join(dir, "belay")}, Progress: &said})
	if err == nil {
		t.Fatal("nothing is there, and it was measured")
	}
	if strings.Contains(err.Error(), "wrk") { // It is looked for first.
		t.Skip(err)
	}
	if len(got.Missing) != 2 || len(got.Cells) != 0 || !strings.Contains(got.Missing[1].Why, "make rivals") || !strings.Contains(said.String(), "caddy") {
		t.Errorf("missing %+v, %d cells; said %q", got.Missing, len(got.Cells), &said)
	}
	if got.Machine.Cores < 1 || got.Machine.System == "" || got.Took <= 0 {
		t.Errorf("the machine is %+v", got.Machine)
	}
}

// fakeProxy starts a shell in place of a proxy.
func fakeProxy(t *testing.T, text string) *rival.Running {
	t.Helper()
	cores, err := process.Cores()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := process.Start(t.Context(), process.Spec{Name: "fake", Path: "/bin/sh", Args: []string{"-c", text}, Core: cores[0], Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.Line(ctx); err != nil {
		t.Fatal(err)
	}
	return &rival.Running{Process: p, Dir: dir}
}

func TestAProfileIsMadeOfBelayAlone(t *testing.T) {
	t.Parallel()
	const text = `trap 'echo profile > cpu.pprof' USR2; trap : USR1; echo ready; while :; do sleep 0.02; done`
	for name, own := range map[string]bool{"Belay": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{Options: Options{Profile: filepath.Join(t.TempDir(), "out")}}
			on := &target{proxy: fakeProxy(t, text), own: own}
			if err := r.profile(t.Context(), on, sigBegin); err != nil {
				t.Fatal(err)
			}
			if err := r.profile(t.Context(), on, sigEnd); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(r.Profile); (err == nil) != own {
				t.Errorf("the profile: %v", err)
			}
		})
	}
}

func TestAnswersThatAreNoneAreQuoted(t *testing.T) {
	t.Parallel()
	p := fakeProxy(t, `echo ready; echo '{"Addrs":["a","b"]}'; echo nonsense; sleep 1000`)
	var up Upstreams
	if err := answer(t.Context(), p.Process, &up); err != nil || up.Addrs != [2]string{"a", "b"} {
		t.Errorf("%+v, %v", up, err)
	}
	if err := answer(t.Context(), p.Process, &up); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("nonsense is read: %v", err)
	}
}
