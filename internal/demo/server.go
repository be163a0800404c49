package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/belay-rollouts/belay/internal/app"
	"github.com/belay-rollouts/belay/internal/config"
)

const (
	// loopback is any free port that only this machine reaches.
	loopback = "127.0.0.1:0"
	// drain is how long requests under way get to end when the server stops; the demo's own traffic has stopped before.
	drain = 2 * time.Second
)

// server is a whole Belay in this process, as `belay serve` would start it.
type server struct {
	app *app.App
}

// startServer starts Belay on free ports with its data in a directory.
func startServer(ctx context.Context, dir string, o Options) (*server, error) {
	level := slog.LevelError
	if o.Verbose {
		level = slog.LevelInfo
	}
	settings := config.Default()
	settings.Data, settings.Listen, settings.Admin = dir, loopback, loopback
	settings.Drain = drain
	// A demo that is twice as fast also looks twice as often.
	settings.Tick = shortened(settings.Tick, max(1, o.Speed))
	s, err := app.New(ctx, app.Options{
		Settings: settings,
		Log:      slog.New(slog.NewTextHandler(o.Err, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return nil, fmt.Errorf("make the demo's server: %w", err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the demo's server: %w", errors.Join(err, s.Stop(ctx)))
	}
	return &server{app: s}, nil
}

func (s *server) stop(ctx context.Context) error { return s.app.Stop(ctx) }

// admin and traffic are the URLs of the API and of the models.
func (s *server) admin() string   { return s.app.URL() }
func (s *server) traffic() string { return "http://" + s.app.TrafficAddr() }
