// Package app puts a server together and looks after its life: New opens what
// is kept, Start listens and begins to work, Stop ends everything in the
// reverse order of its start.
//
// It promises that whatever was started is stopped, each part within a bounded
// time, however far Start came; that stopping twice is harmless; and that
// requests under way are finished, evidence is flushed and the store is closed
// last. It holds no rules: those are in core. wire.go names every adapter.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/router"
)

// Options are what an App needs.
type Options struct {
	Settings config.Settings
	Log      *slog.Logger // nil is silent
}

// App is one server.
type App struct {
	settings config.Settings
	log      *slog.Logger

	store      *sqlite.Store
	router     *router.Router
	ledger     *ledger.Ledger
	controller *controller.Controller
	handler    http.Handler

	traffic, admin net.Listener
	failed         chan error

	mu       sync.Mutex
	cleanups []cleanup // last in, first out
}

// Bounds of a stop, for each part.
const (
	stopLoop  = 10 * time.Second
	stopFlush = 10 * time.Second
	stopAdmin = 5 * time.Second
)

// New opens the data directory and wires the server. Nothing listens yet. What
// stands in the way is a problem with a sentence for the person who starts it.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{settings: o.Settings, log: o.Log, failed: make(chan error, 2)}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	return a, nil
}

// Start listens at both addresses, resumes every rollout, and serves. It returns
// when the server is ready; Wait tells when it failed.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	a.log.InfoContext(ctx, "serving", "traffic", a.TrafficAddr(), "admin", a.AdminAddr(), "data", a.settings.Data)
	return nil
}

func (a *App) start(ctx context.Context) (err error) {
	// Both addresses are taken before anything is resumed, so that a port in use
	// changes nothing.
	if a.traffic, err = listen(ctx, "traffic", "--listen", a.settings.Listen); err != nil {
		return err
	}
	a.onStop("traffic address", func(context.Context) error { return ignoreClosed(a.traffic.Close()) })
	if a.admin, err = listen(ctx, "API", "--admin", a.settings.Admin); err != nil {
		return err
	}
	a.onStop("API address", func(context.Context) error { return ignoreClosed(a.admin.Close()) })

	a.ledger.Start()
	a.onStop("evidence", bounded(stopFlush, a.ledger.Stop))
	if err := a.controller.Start(ctx); err != nil {
		return err
	}
	// Callers are served until they are done, and only then the loop stops, so
	// that what they did is still seen and decided on.
	a.onStop("control loop", bounded(stopLoop, a.controller.Stop))
	a.serveTraffic()
	a.serveAdmin()
	return nil
}

func (a *App) serveTraffic() {
	go a.fail("serve traffic", func() error { return a.router.Serve(a.traffic) })
	a.onStop("traffic", bounded(a.settings.Drain, a.router.Shutdown))
}

func (a *App) serveAdmin() {
	server := &http.Server{
		Handler:           a.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	// Event streams have no end of their own; a stop cuts them off.
	streams, cut := context.WithCancel(context.Background())
	server.BaseContext = func(net.Listener) context.Context { return streams }
	go a.fail("serve the API", func() error { return server.Serve(a.admin) })
	a.onStop("API", bounded(stopAdmin, func(ctx context.Context) error {
		cut()
		return server.Shutdown(ctx)
	}))
}

// fail reports that a listener stopped serving by itself.
func (a *App) fail(doing string, serve func() error) {
	err := serve()
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return
	}
	a.failed <- fmt.Errorf("%s: %w", doing, err)
}

// Wait returns when ctx ends (nil), or with the error that stopped the server
// from serving.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// TrafficAddr is where traffic is served, with the port that was given for :0.
func (a *App) TrafficAddr() string { return a.traffic.Addr().String() }

// AdminAddr is where the API is served.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// URL is the base URL of the API.
func (a *App) URL() string { return "http://" + reachable(a.AdminAddr()) }
