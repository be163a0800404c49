// Package preflight looks at a candidate over HTTP before its rollout begins.
//
// For the Open Inference Protocol it asks whether the server and the model are
// ready, and compares the model's metadata with the baseline's: the names, data
// types and shapes of all tensors. A dimension of -1 on either side fits any.
// For plain HTTP it asks only whether the candidate answers at all.
//
// It sends nothing that changes a server, follows no redirect, uses no proxy,
// and every request is bounded in time and size. It informs about one moment;
// the probes of the data plane keep looking afterwards.
package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Bounds of one look.
const (
	requestTimeout = 3 * time.Second
	maxBody        = 1 << 20
)

// Checker is the Preflight over HTTP.
type Checker struct{ client *http.Client }

var _ command.Preflight = (*Checker)(nil)

// New returns a Checker.
func New() *Checker {
	return &Checker{client: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Check implements command.Preflight.
func (c *Checker) Check(ctx context.Context, k command.Contract) ([]string, error) {
	if k.Protocol != table.V2 {
		return nil, c.answers(ctx, k.Candidate)
	}
	if err := c.ready(ctx, k); err != nil {
		return nil, err
	}
	return c.compare(ctx, k)
}

// answers asks whether a plain HTTP server is there. Which answer it gives to a
// path that nobody has named says nothing.
func (c *Checker) answers(ctx context.Context, v rollout.Version) error {
	if _, _, err := c.get(ctx, v); err != nil {
		return unreachable(v, err)
	}
	return nil
}

func unreachable(v rollout.Version, err error) error {
	return problem.New(problem.Refused, "candidate %s cannot be reached at %s: %w; start it first", v.Name, v.URL, err)
}

// ready asks whether the server and the model are ready.
func (c *Checker) ready(ctx context.Context, k command.Contract) error {
	v := k.Candidate
	for _, path := range [][]string{{"v2", "health", "ready"}, {"v2", "models", k.Model, "ready"}} {
		status, _, err := c.get(ctx, v, path...)
		switch {
		case err != nil:
			return unreachable(v, err)
		case status == http.StatusNotFound && path[1] == "models":
			return problem.New(problem.Refused, "candidate %s at %s serves no model %q (404 at %s)", v.Name, v.URL, k.Model, join(path))
		case status != http.StatusOK:
			return problem.New(problem.Refused, "candidate %s at %s is not ready: %d at %s", v.Name, v.URL, status, join(path))
		}
	}
	return nil
}

// compare compares the metadata of the two versions.
func (c *Checker) compare(ctx context.Context, k command.Contract) ([]string, error) {
	candidate, err := c.metadata(ctx, k.Candidate, k.Model)
	if err != nil {
		return nil, problem.New(problem.Refused, "candidate %s: %w", k.Candidate.Name, err)
	}
	baseline, err := c.metadata(ctx, k.Baseline, k.Model)
	if err != nil {
		return nil, problem.New(problem.Refused, "baseline %s: %w; without it there is nothing to compare with", k.Baseline.Name, err)
	}
	switch {
	case baseline == nil && candidate == nil:
		return []string{"neither version describes its tensors, so they were not compared"}, nil
	case baseline == nil:
		return []string{fmt.Sprintf("baseline %s does not describe its tensors, so those of the candidate were not compared", k.Baseline.Name)}, nil
	case candidate == nil:
		return nil, problem.New(problem.Refused, "candidate %s does not describe its tensors, and baseline %s does", k.Candidate.Name, k.Baseline.Name)
	}
	if differences := compare(baseline, candidate); len(differences) > 0 {
		return nil, problem.New(problem.Refused, "candidate %s has another signature than baseline %s: %s", k.Candidate.Name, k.Baseline.Name, list(differences))
	}
	return nil, nil
}

// metadata reads what a version says of the model; nil where it says nothing.
func (c *Checker) metadata(ctx context.Context, v rollout.Version, model string) (*metadata, error) {
	status, body, err := c.get(ctx, v, "v2", "models", model)
	switch {
	case err != nil:
		return nil, fmt.Errorf("its metadata cannot be read at %s: %w", v.URL, err)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return nil, nil //nolint:nilnil // The endpoint is optional, and saying nothing is an answer.
	case status != http.StatusOK:
		return nil, fmt.Errorf("its metadata cannot be read at %s: %d", v.URL, status)
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("its metadata at %s is no JSON of the Open Inference Protocol: %w", v.URL, err)
	}
	return &m, nil
}

// get sends one request below a version's URL.
func (c *Checker) get(ctx context.Context, v rollout.Version, path ...string) (status int, body []byte, err error) {
	base, err := url.Parse(v.URL)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path...).String(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, nil, short(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, nil, short(err)
	case len(body) > maxBody:
		return 0, nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	}
	return res.StatusCode, body, nil
}
