package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
)

// Check is one thing that readiness depends on.
type Check struct {
	Name string
	// Do returns what is wrong, or nil. It is given two seconds.
	Do func(ctx context.Context) error
}

const checkWithin = 2 * time.Second

// mountProbes answers /healthz and /readyz.
func mountProbes(mux *http.ServeMux, checks []Check) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // The caller is gone if this fails.
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		out := readiness(r.Context(), checks)
		w.Header().Set("Content-Type", "application/json")
		if !out.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(out) // The caller is gone if this fails.
	})
}

// readiness makes all checks side by side.
func readiness(ctx context.Context, checks []Check) api.Readiness {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	out := api.Readiness{Ready: true, Checks: make([]api.ReadinessCheck, len(checks))}
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			out.Checks[i] = api.ReadinessCheck{Name: c.Name, Ready: true}
			if err := c.Do(ctx); err != nil {
				out.Checks[i].Ready, out.Checks[i].Detail = false, err.Error()
			}
		})
	}
	wg.Wait()
	for _, c := range out.Checks {
		out.Ready = out.Ready && c.Ready
	}
	return out
}

// documentJSON is the contract as JSON.
var documentJSON = sync.OnceValues(func() ([]byte, error) {
	body, err := yaml.YAMLToJSON(api.Document)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Compact(&out, body); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
})

// mountDocument answers with the contract itself.
func mountDocument(mux *http.ServeMux) {
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(api.Document) // The caller is gone if this fails.
	})
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		body, err := documentJSON()
		if err != nil {
			writeProblem(w, contract.Problem(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // The caller is gone if this fails.
	})
}
