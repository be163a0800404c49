package rival

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

func TestEveryConfigurationNamesItsAddresses(t *testing.T) {
	t.Parallel()
	const listen, a, b = "127.0.0.1:18080", "127.0.0.1:19001", "127.0.0.1:19002"
	for name, own := range map[string][]string{
		"haproxy.cfg": {listen, a, b, "weight 10", "hdr(X-User-Id)", "httplog"}, "nginx.conf": {listen, a, b, "10% candidate", "access_log"},
		"Caddyfile": {":18080", a, b, "9 1"}, "traefik.yml": {listen, "/traefik-routes.yml"}, "traefik-routes.yml": {a, b, "weight: 9"},
		"upstream.conf": {listen, `"arm":"b"`}, "belay.yml": {a, b, `unit: "header:X-User-Id"`, "protocol: v2", "weight: 10%"},
	} {
		dir := t.TempDir()
		path, err := write(name, values{Setup: Setup{Dir: dir, Upstreams: [2]string{a, b}}, Listen: listen, Arm: "b", Unit: "header:X-User-Id", Kind: "v2"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || filepath.Dir(path) != dir {
			t.Fatalf("%s: %v", path, err)
		}
		for _, want := range own {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text)
			}
		}
		for _, stray := range []string{"no value", "{{", "fastProxy", "http-no-delay", "pathPrefix"} {
			if strings.Contains(string(text), stray) {
				t.Errorf("%s holds %q:\n%s", name, stray, text)
			}
		}
	}
}

func TestSomeConfigurationsDependOnWhatIsMeasured(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		v    values
		want string
	}{
		"haproxy.cfg": {values{Setup: Setup{Streams: true}}, "option http-no-delay"},
		"traefik.yml": {values{Fast: true}, "fastProxy: {}"},
		"belay.yml":   {values{Kind: "http"}, "pathPrefix: /v1"},
	} {
		tt.v.Dir = t.TempDir()
		path, err := write(name, tt.v)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s lacks %q: %v", name, tt.want, err)
		}
	}
}

func TestNamesAreDifferentAndEveryProxySaysWhatItDoes(t *testing.T) {
	t.Parallel()
	names, titles, own := map[string]bool{}, map[string]bool{}, 0
	for _, p := range All() {
		if names[p.Name] || titles[p.Title] || p.About == "" || strings.HasSuffix(p.About, ".") || strings.Contains(p.Name, ",") {
			t.Errorf("%s (%s): %s", p.Name, p.Title, p.About)
		}
		names[p.Name], titles[p.Title] = true, true
		if p.Own {
			own++
		}
	}
	if own != 3 || len(names) != len(Names()) {
		t.Errorf("%d of %d are ours", own, len(Names()))
	}
}

// script writes a fake program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAProgramOfTheSystemTellsItsVersion(t *testing.T) {
	t.Parallel()
	// Some tell it on standard error, and some fail when they are asked.
	got, err := system(t.Context(), script(t, `[ "$1" = -v ] && echo "fake version: fake/1.2.3" >&2; exit 1`), "-v", `fake/(\S+)`)
	if err != nil || got.Version != "1.2.3" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := system(t.Context(), script(t, "echo something else"), "-v", `fake/(\S+)`); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("another program: %+v, %v", got, err)
	}
	if got, err := system(t.Context(), "no-such-proxy", "-v", `(.*)`); err == nil || !strings.Contains(err.Error(), "apt-get install no-such-proxy") {
		t.Errorf("no program: %+v, %v", got, err)
	}
}

func TestAProgramOfAModuleTellsItsVersion(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, name := filepath.Split(self)
	if got, err := built(dir, name, "github.com/belay-rollouts/belay"); err != nil || !strings.Contains(got.Version, "go1.") {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := built(dir, name, "example.org/proxy"); err == nil || !strings.Contains(err.Error(), "not built from example.org/proxy") {
		t.Errorf("another module: %+v, %v", got, err)
	}
	if got, err := built(dir, "traefik", "example.org/proxy"); err == nil || !strings.Contains(err.Error(), "make rivals") {
		t.Errorf("no program: %+v, %v", got, err)
	}
	if got, err := ours(self, "abc123"); err != nil || !strings.HasPrefix(got.Version, "abc123 (go1.") {
		t.Errorf("ours: %+v, %v", got, err)
	}
	if got, err := ours(filepath.Join(dir, "none"), ""); err == nil {
		t.Errorf("none of ours: %+v", got)
	}
}

// fakeBelay knows some flags and refuses some documents.
func fakeBelay(t *testing.T, help, refused string) Program {
	t.Helper()
	return Program{Path: script(t, `case $1 in
serve) echo "`+help+`" ;;
validate) if grep -q '`+refused+`' "$2"; then echo "$2:6:9: spec.unit: it cannot run"; exit 2; fi ;;
esac`)}
}

func TestWhatThisBelayCannotDoIsNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		v             variant
		help, refused string
		want          string // of the error; empty is none
	}{
		"all is well":             {variant{}, "--listen", "nothing", ""},
		"a flag that it knows":    {variant{flags: []string{"--fast-path=off"}}, "--fast-path on", "nothing", ""},
		"a flag that it does not": {variant{flags: []string{"--fast-path=off"}}, "--listen", "nothing", "knows no --fast-path=off"},
		"a unit that it reads":    {variant{inBody: true}, "--listen", "header:", ""},
		"a unit that it does not": {variant{inBody: true}, "--listen", "json:/parameters/user", "protocol v2 by json:/parameters/user: 6:9: spec.unit: it cannot run"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.v.supported(t.Context(), fakeBelay(t, tt.help, tt.refused))
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestStreamsAreServedAsTheMostThatThisBelayUnderstands(t *testing.T) {
	t.Parallel()
	for refused, want := range map[string]string{"nothing": "protocol: openai", "protocol: openai": "protocol: http"} {
		path, _, err := variant{}.documents(t.Context(), fakeBelay(t, "", refused), Setup{Dir: t.TempDir(), Streams: true})
		if err != nil {
			t.Fatal(err)
		}
		if note, err := (variant{}).supported(t.Context(), fakeBelay(t, "", refused)); err != nil || note != "streams as "+strings.Replace(want, ": ", " `", 1)+"`" {
			t.Errorf("noted as %q, %v", note, err)
		}
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("where %s is refused, it lacks %s: %v\n%s", refused, want, err, text)
		}
	}
	if path, _, err := (variant{}).documents(t.Context(), fakeBelay(t, "", "kind"), Setup{Dir: t.TempDir(), Streams: true}); err == nil {
		t.Errorf("all is refused, and %s is used", path)
	}
}

func TestARolloutThatDoesNotRunIsNamed(t *testing.T) {
	t.Parallel()
	good := func() client.Rollout {
		return client.Rollout{Name: rolloutName, Phase: client.Progressing, Traffic: &client.Traffic{WeightPercent: 10}, Exposure: client.Exposure{Requests: 5}}
	}
	tests := map[string]struct {
		change func(r *client.Rollout)
		want   string
	}{
		"it runs": {func(*client.Rollout) {}, ""},
		"it was rolled back": {func(r *client.Rollout) {
			r.Phase, r.Last = client.RolledBack, &client.DecisionHead{Sentence: "ROLLBACK at 10%: errors"}
		}, "RolledBack: ROLLBACK at 10%: errors"},
		"it was cut off":        {func(r *client.Rollout) { r.Traffic.WeightPercent = 0 }, "weight of 0 %"},
		"nothing is known":      {func(r *client.Rollout) { r.Traffic = nil }, "says nothing"},
		"nobody was sent to it": {func(r *client.Rollout) { r.Exposure.Requests = 0 }, "served nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := good()
			tt.change(&status)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(status)
			}))
			t.Cleanup(s.Close)
			c, err := client.New(client.Options{Server: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			err = running(t.Context(), c, true)
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// A fake proxy, which says where it is, and is a server of this test.
func TestAProxyIsReadyWhenAModelAnswersThroughIt(t *testing.T) {
	t.Parallel()
	body := "{}"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	t.Cleanup(s.Close)
	fake := Program{Path: script(t, "echo traffic "+s.URL+"; sleep 1000")}
	p := Proxy{Name: "fake", run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
		return runOurs(ctx, program, s, nil)
	}}
	r, err := p.Start(t.Context(), fake, Setup{Dir: t.TempDir(), Streams: true})
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	body = `{"arm":"a"}`
	if r, err = p.Start(t.Context(), fake, Setup{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if r.Ended() == nil {
		t.Error("it runs on")
	}
	for name, program := range map[string]string{
		"ends": "echo no such port >&2; exit 1", "says something else": "echo hello; sleep 1000", "ends before it serves": "echo traffic http://127.0.0.1:1; exit 3",
	} {
		if r, err := p.Start(t.Context(), Program{Path: script(t, program)}, Setup{Dir: t.TempDir()}); err == nil {
			r.Stop()
			t.Errorf("a program that %s is ready", name)
		}
	}
}
