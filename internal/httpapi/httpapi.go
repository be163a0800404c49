package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
)

// Commander carries out what people ask for.
type Commander interface {
	Apply(ctx context.Context, r command.ApplyRequest) (command.ApplyResult, error)
	Start(ctx context.Context, r command.StartRequest) (command.Status, error)
	Act(ctx context.Context, r command.ActRequest) (command.Status, error)
}

// Reader shows how things stand.
type Reader interface {
	Status(ctx context.Context, name string) (command.Status, error)
	List(ctx context.Context, q store.Query) ([]command.Status, error)
	Log(ctx context.Context, name string, after int64, limit int) ([]store.Logged, error)
	Models(ctx context.Context) ([]store.Model, error)
	Policies(ctx context.Context) ([]command.Policy, error)
}

// Witness hears what happens, and is told what became of predictions.
type Witness interface {
	Outcomes(ctx context.Context, outcomes []ledger.Outcome) (ledger.Result, error)
	Subscribe(ctx context.Context, name string) <-chan command.Event
}

// Engine is the whole of what the API asks of the engine.
type Engine interface {
	Commander
	Reader
	Witness
	Measurer
}

var _ Engine = (*command.Service)(nil)

// Options are what the API is made of.
type Options struct {
	Engine  Engine
	Answers store.Answers
	// Checks are what readiness depends on.
	Checks  []Check
	Metrics *Metrics
	Log     *slog.Logger
	// LocalOnly turns away requests to names other than those of this machine.
	LocalOnly bool
	// Now is the clock; time.Now unless told otherwise.
	Now func() time.Time
}

// server implements the contract.
type server struct {
	engine  Engine
	answers *answers
	metrics *Metrics
	log     *slog.Logger
	now     func() time.Time
	streams chan struct{} // a place for each stream
}

var _ api.StrictServerInterface = (*server)(nil)

// New returns the handler of the admin address.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{
		engine: o.Engine, metrics: o.Metrics, log: o.Log, now: o.Now,
		answers: newAnswers(o.Answers, o.Log, o.Now),
		streams: make(chan struct{}, maxStreams),
	}
	mux := http.NewServeMux()
	strict := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  s.badRequest,
		ResponseErrorHandlerFunc: s.fail,
	})
	api.HandlerWithOptions(strict, api.StdHTTPServerOptions{
		BaseRouter:       mux,
		Middlewares:      []api.MiddlewareFunc{s.takeBody},
		ErrorHandlerFunc: s.badRequest,
	})
	mountDocument(mux)
	mountProbes(mux, o.Checks)
	mux.Handle("GET /metrics", o.Metrics.Handler())
	return s.surround(mux, o.LocalOnly)
}
