package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/internal/app"
	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/config"
)

func newServe(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server: traffic, control loop, API",
		Long: "Run a server until it is interrupted. Traffic is served at --listen and nothing else is; API, metrics and probes\n" +
			"are at --admin, without a log-in, so that address is a loopback one unless --insecure-admin is set.\n" +
			"Every flag is also a variable (BELAY_LISTEN) and a line of the --config file (listen: :8080).",
		Example: "  belay serve --data /var/lib/belay --listen :8080 --admin 127.0.0.1:7070",
		Args:    takes(0, 0, "flags only"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context()) },
	}
	addSettings(cmd.Flags(), true)
	return cmd
}

// serve runs a server until ctx ends. What it says to a person goes to standard
// error, and so does its log; standard output gets the addresses, for scripts.
func (s *session) serve(ctx context.Context) error {
	log := newLog(s.err, s.settings)
	if s.settings.InsecureAdmin {
		s.say("warning: --insecure-admin: whoever reaches %s can move traffic; there is no log-in", s.settings.Admin)
	}
	a, err := app.New(ctx, app.Options{Settings: s.settings, Log: log})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "traffic http://%s\nadmin %s\n", a.TrafficAddr(), a.URL())
	if err == nil {
		err = a.Wait(ctx)
	}
	if ctx.Err() != nil {
		s.say("stopping: requests under way get %s to end", frame.Span(s.settings.Drain))
	}
	if stopping := a.Stop(ctx); err == nil {
		err = stopping
	}
	return err
}

func newLog(w io.Writer, settings config.Settings) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == config.JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
