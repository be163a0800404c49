package httpapi

import (
	"context"
	"io"
	"net/http"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
)

// ApplyDocuments implements the contract.
func (s *server) ApplyDocuments(ctx context.Context, r api.ApplyDocumentsRequestObject) (api.ApplyDocumentsResponseObject, error) {
	who, err := actor(ctx, r.Params.BelayActor, false)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, problem.New(problem.Invalid, "read the body: %w", err)
	}
	name := r.Params.File
	if name == "" {
		name = "request"
	}
	result, err := s.engine.Apply(ctx, command.ApplyRequest{Actor: who, File: name, Data: data, DryRun: r.Params.DryRun})
	if err != nil {
		return nil, err
	}
	out := api.ApplyResult{DryRun: r.Params.DryRun, Applied: []api.Applied{}}
	for _, a := range result.Applied {
		out.Applied = append(out.Applied, api.Applied{Kind: a.Kind, Name: a.Name, Change: api.Change(a.Change), Revision: a.Revision})
	}
	for _, w := range result.Warnings {
		out.Warnings = append(out.Warnings, api.Warning{
			Caution: string(w.Caution), File: w.File, Line: w.Line, Column: w.Column, Path: w.Path, Message: w.Message, Hint: w.Hint,
		})
	}
	return api.ApplyDocuments200JSONResponse(out), nil
}

// ListModels implements the contract.
func (s *server) ListModels(ctx context.Context, _ api.ListModelsRequestObject) (api.ListModelsResponseObject, error) {
	models, err := s.engine.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := api.ModelList{Items: []api.Model{}}
	for _, m := range models {
		out.Items = append(out.Items, contract.Model(m))
	}
	return api.ListModels200JSONResponse(out), nil
}

// GetModel implements the contract.
func (s *server) GetModel(ctx context.Context, r api.GetModelRequestObject) (api.GetModelResponseObject, error) {
	models, err := s.engine.Models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		if m.Name == r.Name {
			return api.GetModel200JSONResponse{Body: contract.Model(m), Headers: api.GetModel200ResponseHeaders{ETag: etag(m.Revision)}}, nil
		}
	}
	return nil, problem.New(problem.NotFound, "no model named %q", r.Name)
}

// ListPolicies implements the contract.
func (s *server) ListPolicies(ctx context.Context, _ api.ListPoliciesRequestObject) (api.ListPoliciesResponseObject, error) {
	policies, err := s.engine.Policies(ctx)
	if err != nil {
		return nil, err
	}
	out := api.PolicyList{Items: []api.Policy{}}
	for _, p := range policies {
		out.Items = append(out.Items, contract.Policy(p))
	}
	return api.ListPolicies200JSONResponse(out), nil
}

// GetPolicy implements the contract.
func (s *server) GetPolicy(ctx context.Context, r api.GetPolicyRequestObject) (api.GetPolicyResponseObject, error) {
	policies, err := s.engine.Policies(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range policies {
		if p.Name == r.Name {
			return api.GetPolicy200JSONResponse{Body: contract.Policy(p), Headers: api.GetPolicy200ResponseHeaders{ETag: etag(p.Revision)}}, nil
		}
	}
	return nil, problem.New(problem.NotFound, "no policy named %q", r.Name)
}

// GetSchema implements the contract.
func (s *server) GetSchema(context.Context, api.GetSchemaRequestObject) (api.GetSchemaResponseObject, error) {
	return schemaResponse(spec.Schema()), nil
}

// schemaResponse answers with the schema as it was written, in its order.
type schemaResponse []byte

// VisitGetSchemaResponse implements the contract.
func (b schemaResponse) VisitGetSchemaResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/schema+json")
	_, err := w.Write(b)
	return err
}

// GetVersion implements the contract.
func (s *server) GetVersion(context.Context, api.GetVersionRequestObject) (api.GetVersionResponseObject, error) {
	return api.GetVersion200JSONResponse(Version()), nil
}
