package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/embedded"
	"github.com/belay-rollouts/belay/internal/adapter/scrape"
	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/command/preflight"
	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/httpapi"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/router"
)

// wire builds every part and hands each what it needs. All adapters there are
// are named here: sqlite keeps, embedded moves the traffic, scrape reads the
// metrics pages of servers, preflight looks at candidates over HTTP.
func (a *App) wire(ctx context.Context) error {
	var err error
	if a.store, err = sqlite.Open(ctx, a.settings.Data); err != nil {
		return err
	}
	a.onStop("store", func(context.Context) error { return a.store.Close() })
	signer, err := a.signer(ctx)
	if err != nil {
		return err
	}
	a.router = router.New(router.Options{Signer: signer, Log: a.log})
	target := embedded.New(a.router)
	hub, metrics := command.NewHub(), httpapi.NewMetrics()
	counted := &countedStore{Store: a.store, metrics: metrics}
	a.ledger = ledger.New(ledger.Options{Store: counted, Target: target, Signer: signer, Log: a.log})
	loop := &pulse{metrics: metrics, last: map[uint64]time.Time{}}
	pages := scrape.New()
	a.onStop("metrics pages", func(context.Context) error {
		pages.Close()
		return nil
	})
	a.controller = controller.New(controller.Options{
		Store: counted, Target: target, Ledger: a.ledger, Metrics: pages, Sampled: metrics.Sampled, Log: a.log, Tick: a.settings.Tick,
		Changed: func(c controller.Change) {
			loop.beat(c)
			hub.Changed(c)
		},
	})
	engine := command.New(command.Options{
		Store: counted, Controller: a.controller, Ledger: a.ledger, Hub: hub, Preflight: preflight.New(), Routed: a.routedOf(), Log: a.log,
	})
	metrics.WatchRollouts(engine)
	metrics.WatchRouter(a.routed)
	metrics.WatchOutcomes(a.ledger.Waiting)
	a.handler = httpapi.New(httpapi.Options{
		Engine: engine, Answers: a.store, Metrics: metrics, Log: a.log, LocalOnly: !a.settings.InsecureAdmin,
		Checks: []httpapi.Check{
			{Name: "store", Do: a.store.Ping},
			{Name: "evidence", Do: func(context.Context) error { return a.ledger.Failing() }},
			{Name: "router", Do: a.serving},
		},
	})
	return nil
}

// signer signs assignment tokens with a key that outlives the process, so that
// an outcome finds its exposure after a restart.
func (a *App) signer(ctx context.Context) (*assignment.Signer, error) {
	proposed := make([]byte, assignment.KeySize)
	if _, err := rand.Read(proposed); err != nil {
		return nil, fmt.Errorf("draw a signing key: %w", err)
	}
	key, err := a.store.Secret(ctx, "assignment", proposed)
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	return assignment.NewSigner(key), nil
}

// serving tells whether the router has a table to serve from.
func (a *App) serving(context.Context) error {
	if a.router.Table() == nil {
		return errors.New("there is no routing table yet")
	}
	return nil
}

// classes name the classes of status that the router counts by.
var classes = [router.Classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// routedOf reads the router's counts of a model. Failures are what its callers got
// as 5xx.
func (a *App) routedOf() func(model string) command.Routed {
	const failed = 5
	since := time.Now()
	return func(model string) command.Routed {
		out := command.Routed{Since: since}
		for _, byClass := range a.router.Stats().Models[model] {
			for class, n := range byClass {
				out.Requests += n
				if class == failed {
					out.Failed += n
				}
			}
		}
		return out
	}
}

// routed are the router's own counts, for the metrics.
func (a *App) routed() []httpapi.RouterCount {
	var out []httpapi.RouterCount
	for model, stats := range a.router.Stats().Models {
		for arm := range split.Arms {
			for class, n := range stats[arm] {
				if n > 0 {
					out = append(out, httpapi.RouterCount{Model: model, Arm: arm.String(), Class: classes[class], Requests: n})
				}
			}
		}
	}
	return out
}
