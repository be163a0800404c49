package preflight_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/command/preflight"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
)

// server is a small model server: a path and what it answers.
type server map[string]string

const digits = `{"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}, {"name": "mask", "datatype": "BOOL", "shape": [64]}],
	"outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}]}`

// good is a server of the model with some metadata.
func good(metadata string) server {
	return server{"/v2/health/ready": "", "/v2/models/m/ready": "", "/v2/models/m": metadata}
}

func (s server) with(path, body string) server {
	out := maps.Clone(s)
	if body == "absent" {
		delete(out, path)
	} else {
		out[path] = body
	}
	return out
}

func (s server) start(t *testing.T) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := s[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case strings.HasPrefix(body, "status "):
			code := 0
			_, _ = fmt.Sscanf(body, "status %d", &code)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		default:
			_, _ = w.Write([]byte(body))
		}
	}))
	t.Cleanup(web.Close)
	return web.URL
}

func check(t *testing.T, baseline, candidate string) ([]string, error) {
	t.Helper()
	return preflight.New().Check(t.Context(), command.Contract{
		Protocol: table.V2, Model: "m",
		Baseline: rollout.Version{Name: "v1", URL: baseline}, Candidate: rollout.Version{Name: "v2", URL: candidate},
	})
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	replace := func(pairs ...string) server { return good(strings.NewReplacer(pairs...).Replace(digits)) }
	tests := map[string]struct {
		candidate server
		want      []string // of the error; none: it may start
	}{
		"the same":                      {good(digits), nil},
		"the same in another order":     {good(`{"outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}], "inputs": [{"name": "mask", "datatype": "BOOL", "shape": [64]}, {"name": "x", "datatype": "FP32", "shape": [-1, 64]}]}`), nil},
		"a fixed batch for any":         {replace("[-1, 64]", "[8, 64]"), nil},
		"another name":                  {replace(`"x"`, `"pixels"`), []string{`input "x" is missing`, `input "pixels" is new`}},
		"another datatype":              {replace("FP32", "FP64"), []string{`input "x" has datatype FP64 instead of FP32`}},
		"another shape":                 {replace("[-1, 64]", "[-1, 65]"), []string{`input "x" has shape [-1 65] instead of [-1 64]`}},
		"another rank":                  {replace("[-1, 64]", "[-1, 8, 8]"), []string{`input "x" has shape [-1 8 8]`}},
		"an output less":                {replace(`{"name": "y", "datatype": "INT64", "shape": [-1]}`, ""), []string{`output "y" is missing`}},
		"all of it at once":             {replace(`"x"`, `"pixels"`, "INT64", "INT32"), []string{`"x" is missing`, `"pixels" is new`, `"y" has datatype INT32`}},
		"metadata that is none":         {good("<html>"), []string{"no JSON"}},
		"metadata without end":          {good(strings.Repeat(" ", 2<<20)), []string{"larger than"}},
		"metadata that the other has":   {good(digits).with("/v2/models/m", "absent"), []string{"does not describe its tensors"}},
		"metadata that fails":           {good("status 500"), []string{"cannot be read", "500"}},
		"a server that is not ready":    {good(digits).with("/v2/health/ready", "status 503"), []string{"not ready", "503"}},
		"a model that is not ready":     {good(digits).with("/v2/models/m/ready", "status 503"), []string{"not ready", "/v2/models/m/ready"}},
		"another model":                 {server{"/v2/health/ready": ""}, []string{`serves no model "m"`}},
		"a server that sends elsewhere": {good(digits).with("/v2/health/ready", "status 302"), []string{"not ready", "302"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings, err := check(t, good(digits).start(t), tt.candidate.start(t))
			if len(warnings) != 0 {
				t.Errorf("warnings %v", warnings)
			}
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !problem.Is(err, problem.Refused) {
				t.Fatalf("error %v, want refused", err)
			}
			for _, text := range tt.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
		})
	}
}

func TestServersWithoutMetadata(t *testing.T) {
	t.Parallel()
	silent := good(digits).with("/v2/models/m", "absent")
	warnings, err := check(t, silent.start(t), silent.start(t))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "neither") {
		t.Errorf("both silent: %v, %v", warnings, err)
	}
	warnings, err = check(t, silent.start(t), good(digits).start(t))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "v1") {
		t.Errorf("the baseline silent: %v, %v", warnings, err)
	}
}

// closed is an address that refuses connections.
func closed(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestACandidateThatIsDown(t *testing.T) {
	t.Parallel()
	url := closed(t)
	for _, protocol := range []table.Protocol{table.V2, table.HTTP} {
		_, err := preflight.New().Check(t.Context(), command.Contract{
			Protocol: protocol, Model: "m", Baseline: rollout.Version{Name: "v1", URL: good(digits).start(t)}, Candidate: rollout.Version{Name: "v2", URL: url},
		})
		if !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), url+": connection refused; start it first") {
			t.Errorf("protocol %s: %v", protocol, err)
		}
	}
}

func TestABaselineThatIsDown(t *testing.T) {
	t.Parallel()
	_, err := check(t, closed(t), good(digits).start(t))
	if !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "baseline v1") {
		t.Errorf("%v", err)
	}
}

func TestAnyAnswerOfPlainHTTPIsOne(t *testing.T) {
	t.Parallel()
	_, err := preflight.New().Check(t.Context(), command.Contract{Protocol: table.HTTP, Candidate: rollout.Version{Name: "v2", URL: server{}.start(t)}})
	if err != nil {
		t.Errorf("a 404 at the root: %v", err)
	}
}

func TestALookIsBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); web.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := preflight.New().Check(ctx, command.Contract{Protocol: table.HTTP, Candidate: rollout.Version{Name: "v2", URL: web.URL}})
	if err == nil || ctx.Err() == nil {
		t.Errorf("a server that never answers: %v", err)
	}
}
