package command

import (
	"context"
	"fmt"
	"net/http"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// catalog is what is kept, as documents again, with what a file adds laid over it.
type catalog struct {
	models   map[string]knownModel
	policies map[string]knownPolicy
	running  map[string]string // names of active rollouts, by model
}

type knownModel struct {
	kept store.Model
	spec spec.Model
}

type knownPolicy struct {
	kept store.Policy
	spec spec.Policy
}

// catalog reads what is kept.
func (s *Service) catalog(ctx context.Context) (*catalog, error) {
	c := &catalog{models: map[string]knownModel{}, policies: map[string]knownPolicy{}, running: map[string]string{}}
	models, err := s.store.Models(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the models: %w", err)
	}
	for _, m := range models {
		doc, err := modelDocument(m)
		if err != nil {
			return nil, err
		}
		c.models[m.Name] = knownModel{kept: m, spec: doc}
	}
	policies, err := s.store.Policies(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	for _, p := range policies {
		doc, err := policyDocument(p)
		if err != nil {
			return nil, err
		}
		c.policies[p.Name] = knownPolicy{kept: p, spec: doc}
	}
	active, err := s.store.List(ctx, store.Query{Active: true})
	if err != nil {
		return nil, fmt.Errorf("read the rollouts: %w", err)
	}
	for _, r := range active {
		c.running[r.Model] = r.Name
	}
	return c, nil
}

// modelDocument reads a kept model as a document again, with the version that
// serves now.
func modelDocument(m store.Model) (spec.Model, error) {
	file, _, err := spec.Parse("model "+m.Name, m.Source)
	if err != nil || len(file.Models) != 1 {
		return spec.Model{}, problem.New(problem.Internal, "read the stored document of model %q: %w", m.Name, err)
	}
	doc := file.Models[0]
	doc.Serving = servingOf(m)
	return doc, nil
}

// servingOf is the version that serves a model now, as a file says it.
func servingOf(m store.Model) *spec.Version {
	return &spec.Version{Version: m.Serving.Name, URL: m.Serving.URL, Metrics: m.Serving.Metrics}
}

func policyDocument(p store.Policy) (spec.Policy, error) {
	// Parsed alone: what it extends may be another kept policy.
	file, _, err := spec.Parse("policy "+p.Name, p.Source)
	if err != nil && len(file.Policies) != 1 || len(file.Policies) != 1 {
		return spec.Policy{}, problem.New(problem.Internal, "read the stored document of policy %q: %w", p.Name, err)
	}
	return file.Policies[0], nil
}

// policy finds a policy by its name.
func (c *catalog) policy(name string) (spec.Policy, bool) {
	p, ok := c.policies[name]
	return p.spec, ok
}

// model compares a model of the file with what is kept.
func (c *changes) model(m spec.Model) {
	if refusals := spec.UnsupportedModel(m); len(refusals) > 0 {
		c.fault(refusals)
		return
	}
	kept := modelOf(m)
	out := modelChange{Applied: Applied{Kind: "Model", Name: m.Name, Change: Created}}
	if old, ok := c.catalog.models[m.Name]; ok {
		out.Change, out.Revision = Updated, old.kept.Revision
		c.keepServing(&kept, &m, old)
		kept.Revision, kept.CooldownUntil = old.kept.Revision, old.kept.CooldownUntil
		if string(kept.Source) == string(old.kept.Source) && kept.Serving.Equal(old.kept.Serving) {
			out.Change = Unchanged
		} else if err := c.inUse(m, &old.kept, &kept); err != nil {
			c.fault(err)
		}
	}
	out.kept = kept
	c.catalog.models[m.Name] = knownModel{kept: kept, spec: m}
	c.models = append(c.models, out)
}

// modelOf is what is kept of a model's document.
func modelOf(m spec.Model) store.Model {
	return store.Model{
		Name: m.Name, Source: m.YAML(), Protocol: table.Protocol(m.Protocol), Match: matchOf(m),
		Unit:    table.Unit{Source: table.UnitSource(m.Unit.Kind), Name: m.Unit.Key},
		Serving: rollout.Version{Name: m.Serving.Version, URL: m.Serving.URL, Metrics: m.Serving.Metrics},
	}
}

// matchOf says which requests are the model's.
func matchOf(m spec.Model) table.Match {
	out := table.Match{}
	if r := m.Route; r != nil {
		out.Host, out.PathPrefix = r.Host, r.PathPrefix
		if r.Header != nil {
			out.Header, out.HeaderValue = http.CanonicalHeaderKey(r.Header.Name), r.Header.Value
		}
	}
	if out.PathPrefix == "" {
		out.PathPrefix = spec.DefaultPath(m.Protocol, m.Name)
	}
	return out
}

// ServingKept is the caution that a file still names a version that a rollout
// has replaced since the file was applied.
const ServingKept spec.Caution = "ServingKept"

// keepServing keeps the version that a rollout has made the serving one: a file
// that is applied again, and says of it what it said before, means the rest.
func (c *changes) keepServing(kept *store.Model, m *spec.Model, old knownModel) {
	before, _, err := spec.Parse("model "+m.Name, old.kept.Source)
	if err != nil || len(before.Models) != 1 || before.Models[0].Serving == nil {
		return
	}
	was, serves := before.Models[0].Serving, old.kept.Serving
	if kept.Serving.Name == serves.Name && kept.Serving.URL == serves.URL || was.Version != m.Serving.Version || was.URL != m.Serving.URL {
		return
	}
	kept.Serving = serves
	c.warnings = append(c.warnings, spec.Warning{Caution: ServingKept, Problem: m.Source.Problem("spec.serving",
		fmt.Sprintf("%s serves since a rollout promoted it; the file still says %s", serves.Name, m.Serving.Version),
		fmt.Sprintf("write version: %s, url: %s", serves.Name, serves.URL))})
	m.Serving = servingOf(old.kept)
}

// inUse refuses changes that would pull the ground from under a running rollout.
func (c *changes) inUse(m spec.Model, old, kept *store.Model) error {
	name, running := c.catalog.running[m.Name]
	if !running {
		return nil
	}
	for _, part := range []struct {
		path    string
		changed bool
	}{
		{"spec.serving", !kept.Serving.Equal(old.Serving)},
		{"spec.route", kept.Match != old.Match},
		{"spec.unit", kept.Unit != old.Unit},
		{"spec.protocol", kept.Protocol != old.Protocol},
	} {
		if part.changed {
			return placed(problem.Refused, m.Source, part.path,
				fmt.Sprintf("rollout %q runs, and what it compares would change under it", name),
				fmt.Sprintf("wait for its end, or end it with `belay abort %s`", name))
		}
	}
	return nil
}

// routes refuses models that would match the same requests.
func (c *changes) routes(models []spec.Model) {
	if len(models) == 0 {
		return
	}
	var all []*table.Route
	for name, m := range c.catalog.models {
		all = append(all, &table.Route{Model: name, Match: m.kept.Match})
	}
	a, b, found := table.Conflict(all)
	if !found {
		return
	}
	for _, m := range models {
		if m.Name == a.Model || m.Name == b.Model {
			other := a.Model
			if m.Name == other {
				other = b.Model
			}
			c.fault(placed(problem.Conflict, m.Source, "spec.route", fmt.Sprintf("models %q and %q would match the same requests", m.Name, other),
				"give one of them another host, pathPrefix or header"))
			return
		}
	}
	c.fault(problem.New(problem.Conflict, "models %q and %q match the same requests", a.Model, b.Model))
}

// placed is a problem of any code at a place of a file.
func placed(code problem.Code, source *spec.Source, path, message, hint string) error {
	return problem.New(code, "%w", source.Problem(path, message, hint))
}
