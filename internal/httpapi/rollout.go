package httpapi

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// ListRollouts implements the contract.
func (s *server) ListRollouts(ctx context.Context, r api.ListRolloutsRequestObject) (api.ListRolloutsResponseObject, error) {
	limit, err := within("limit", r.Params.Limit, 100, 1000)
	if err != nil {
		return nil, err
	}
	statuses, err := s.engine.List(ctx, store.Query{Model: r.Params.Model, Active: r.Params.Active, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := api.RolloutList{Items: []api.Rollout{}}
	for i := range statuses {
		out.Items = append(out.Items, contract.Rollout(&statuses[i]))
	}
	return api.ListRollouts200JSONResponse(out), nil
}

// within checks a number that is optional (0) and has a most.
func within(name string, n, otherwise, most int) (int, error) {
	switch {
	case n == 0:
		return otherwise, nil
	case n < 0 || n > most:
		return 0, problem.New(problem.Invalid, "%s is %d; use 1 to %d", name, n, most)
	}
	return n, nil
}

// GetRollout implements the contract.
func (s *server) GetRollout(ctx context.Context, r api.GetRolloutRequestObject) (api.GetRolloutResponseObject, error) {
	status, err := s.engine.Status(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	return api.GetRollout200JSONResponse{
		Body:    contract.Rollout(&status),
		Headers: api.GetRollout200ResponseHeaders{ETag: etag(status.Record.Revision)},
	}, nil
}

// StartRollout implements the contract.
func (s *server) StartRollout(ctx context.Context, r api.StartRolloutRequestObject) (api.StartRolloutResponseObject, error) {
	who, err := actor(ctx, r.Params.BelayActor, false)
	if err != nil {
		return nil, err
	}
	status, err := s.engine.Start(ctx, command.StartRequest{
		Actor: who, Model: r.Body.Model, Version: r.Body.Version, URL: r.Body.URL,
		Policy: r.Body.Policy, Name: r.Body.Name, DryRun: r.Params.DryRun,
	})
	if err != nil {
		return nil, err
	}
	if r.Params.DryRun {
		return api.StartRollout200JSONResponse(contract.Rollout(&status)), nil
	}
	return api.StartRollout201JSONResponse{Body: contract.Rollout(&status), Headers: api.StartRollout201ResponseHeaders{
		ETag:     etag(status.Record.Revision),
		Location: "/api/v1/rollouts/" + url.PathEscape(status.Record.Name),
	}}, nil
}

// ActOnRollout implements the contract.
func (s *server) ActOnRollout(ctx context.Context, r api.ActOnRolloutRequestObject) (api.ActOnRolloutResponseObject, error) {
	if !r.Body.Kind.Valid() {
		return nil, problem.New(problem.Invalid, "kind is %q; use pause, resume, promote, rollback or abort", r.Body.Kind)
	}
	if r.Body.Override && r.Body.Kind != api.ActionKindPromote {
		return nil, problem.New(problem.Invalid, "override goes with promote, not with %s", r.Body.Kind)
	}
	if r.Body.Override && strings.TrimSpace(r.Body.Reason) == "" {
		return nil, problem.New(problem.Refused, "an override needs a reason")
	}
	if len(r.Body.Reason) > 1000 {
		return nil, problem.New(problem.Invalid, "the reason has %d bytes, more than 1000", len(r.Body.Reason))
	}
	who, err := actor(ctx, r.Params.BelayActor, r.Body.Override)
	if err != nil {
		return nil, err
	}
	revision, err := revisionOf(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	status, err := s.engine.Act(ctx, command.ActRequest{
		Actor: who, Rollout: r.Name, Kind: rollout.ActKind(r.Body.Kind), Reason: strings.TrimSpace(r.Body.Reason),
		Override: r.Body.Override, IfRevision: revision, DryRun: r.Params.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return api.ActOnRollout200JSONResponse{
		Body:    contract.Rollout(&status),
		Headers: api.ActOnRollout200ResponseHeaders{ETag: etag(status.Record.Revision)},
	}, nil
}

// etag writes a revision as an ETag.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// revisionOf reads an If-Match: one ETag of ours, * or nothing.
func revisionOf(ifMatch string) (int64, error) {
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	text, quoted := strings.CutPrefix(ifMatch, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	if !quoted || !closed || err != nil || n < 1 {
		return 0, problem.New(problem.Invalid, "If-Match is %q; send back the ETag of the rollout as it was", ifMatch)
	}
	return n, nil
}
