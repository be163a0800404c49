package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/belay-rollouts/belay/api"
)

// ApplyRequest is a file to apply.
type ApplyRequest struct {
	File   string // the file's name, for messages
	Data   []byte // YAML or JSON, one or more documents
	DryRun bool
}

// Apply creates or updates the models, policies and rollouts of a file. A file
// with mistakes is an *Error with all of them in Problems.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (ApplyResult, error) {
	k := newCall(http.MethodPost, "apply")
	k.body, k.kind, k.keyed = r.Data, "application/yaml", !r.DryRun
	if r.File != "" {
		k.query.Set("file", r.File)
	}
	dry(k, r.DryRun)
	return answer[ApplyResult](ctx, c, k)
}

// StartRequest is a rollout, the short way.
type StartRequest struct {
	Model   string
	Version string // the candidate's
	URL     string // the candidate's
	Policy  string // the default policy when empty
	Name    string // <model>-<version> when empty
	DryRun  bool
}

// Start begins a rollout of a model that the server knows.
func (c *Client) Start(ctx context.Context, r StartRequest) (Rollout, error) {
	k, err := newCall(http.MethodPost, "rollouts").withJSON(api.StartRequest{
		Model: r.Model, Version: r.Version, URL: r.URL, Policy: r.Policy, Name: r.Name,
	})
	if err != nil {
		return Rollout{}, err
	}
	k.keyed = !r.DryRun
	dry(k, r.DryRun)
	return answer[Rollout](ctx, c, k)
}

// ActRequest is an act on a rollout.
type ActRequest struct {
	Rollout string // or its model, where only one is meant
	Kind    ActionKind
	Reason  string
	// Override promotes in spite of a failed gate or a missing verdict; it needs
	// a Reason and an Options.Actor.
	Override bool
	// IfRevision refuses the act unless the rollout is at it; 0 accepts any.
	IfRevision int64
	DryRun     bool
}

// Act carries out an act and returns how the rollout stands after it.
func (c *Client) Act(ctx context.Context, r ActRequest) (Rollout, error) {
	k, err := newCall(http.MethodPost, "rollouts", r.Rollout, "actions").withJSON(api.ActionRequest{
		Kind: r.Kind, Reason: r.Reason, Override: r.Override,
	})
	if err != nil {
		return Rollout{}, err
	}
	k.keyed = !r.DryRun
	dry(k, r.DryRun)
	if r.IfRevision > 0 {
		k.header.Set("If-Match", `"`+strconv.FormatInt(r.IfRevision, 10)+`"`)
	}
	return answer[Rollout](ctx, c, k)
}

// Status returns a rollout with its gates, bounds and evidence, by its name or
// by its model's where only one is meant.
func (c *Client) Status(ctx context.Context, name string) (Rollout, error) {
	return answer[Rollout](ctx, c, newCall(http.MethodGet, "rollouts", name))
}

// ListRequest selects rollouts; its zero value selects the newest hundred.
type ListRequest struct {
	Model  string
	Active bool // only those that have not ended
	Limit  int
}

// List returns rollouts, newest first, without the bounds of their gates.
func (c *Client) List(ctx context.Context, r ListRequest) ([]Rollout, error) {
	k := newCall(http.MethodGet, "rollouts")
	if r.Model != "" {
		k.query.Set("model", r.Model)
	}
	if r.Active {
		k.query.Set("active", "true")
	}
	if r.Limit > 0 {
		k.query.Set("limit", strconv.Itoa(r.Limit))
	}
	list, err := answer[api.RolloutList](ctx, c, k)
	return list.Items, err
}

// DecisionRequest selects decisions of a rollout.
type DecisionRequest struct {
	Rollout string
	// After leaves out decisions up to this sequence number; a negative number
	// counts from the end of the log: -1 is the last decision alone.
	After    int64
	Limit    int  // 100 when 0
	Evidence bool // also return the evidence as it was stored
}

// Decisions returns a part of the decision log, oldest first.
func (c *Client) Decisions(ctx context.Context, r DecisionRequest) ([]Decision, error) {
	k := newCall(http.MethodGet, "rollouts", r.Rollout, "decisions")
	if r.After != 0 {
		k.query.Set("after", strconv.FormatInt(r.After, 10))
	}
	if r.Limit > 0 {
		k.query.Set("limit", strconv.Itoa(r.Limit))
	}
	if r.Evidence {
		k.query.Set("evidence", "true")
	}
	list, err := answer[api.DecisionList](ctx, c, k)
	return list.Items, err
}

// MaxOutcomes is how many outcomes the server takes at once.
const MaxOutcomes = 10_000

// Outcomes reports outcomes. Each counts once by its ID, however often it is
// sent; those that are refused are listed and the others count.
func (c *Client) Outcomes(ctx context.Context, outcomes []Outcome) (OutcomeResult, error) {
	k, err := newCall(http.MethodPost, "outcomes").withJSON(api.OutcomeBatch{Outcomes: outcomes})
	if err != nil {
		return OutcomeResult{}, err
	}
	return answer[OutcomeResult](ctx, c, k)
}

// Models returns all models, by name.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	list, err := answer[api.ModelList](ctx, c, newCall(http.MethodGet, "models"))
	return list.Items, err
}

// Baseline returns what the version of a model that serves now does, as it was
// seen: the traffic to plan a rollout by. A model without traffic is an *Error
// with CodeNotFound.
func (c *Client) Baseline(ctx context.Context, model string) (Baseline, error) {
	return answer[Baseline](ctx, c, newCall(http.MethodGet, "models", model, "baseline"))
}

// Policies returns all policies, by name, the presets among them.
func (c *Client) Policies(ctx context.Context) ([]Policy, error) {
	list, err := answer[api.PolicyList](ctx, c, newCall(http.MethodGet, "policies"))
	return list.Items, err
}

// Version says which Belay the server is.
func (c *Client) Version(ctx context.Context) (VersionInfo, error) {
	return answer[VersionInfo](ctx, c, newCall(http.MethodGet, "version"))
}

// Schema returns the JSON Schema of the server's files.
func (c *Client) Schema(ctx context.Context) ([]byte, error) {
	return c.fetch(ctx, newCall(http.MethodGet, "schema"))
}

func dry(k *call, dryRun bool) {
	if dryRun {
		k.query.Set("dryRun", "true")
	}
}
