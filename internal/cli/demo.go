package cli

import (
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/internal/demo"
)

func newDemo(s *session) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole of it in about a minute: one version goes up, three come down",
		Long: "Start a server, a real model and real traffic on this machine, and roll four versions of the model out: a better\n" +
			"one goes up; a broken, a slow and a quietly worse one come down, each for its own reason. Nothing is arranged:\n" +
			"the endings follow from the evidence. Everything is in a temporary directory and on loopback addresses.",
		Args: takes(0, 0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A reader that goes away (`| head`) is an error of a write then, and the demo clears up behind itself.
			signal.Ignore(syscall.SIGPIPE)
			defer signal.Reset(syscall.SIGPIPE)
			f := s.frame()
			_, live := s.terminal()
			o.Out, o.Err, o.Color, o.Live, o.Width = s.out, s.err, f.Paint.On, live, f.Width
			err := demo.Run(cmd.Context(), o)
			if _, unexpected := errors.AsType[*demo.Unexpected](err); unexpected {
				s.say("belay: %v", err)
				return exitError{exitFailure}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Scenario, "scenario", "", "play only this `scenario` (default: all)")
	f.Uint64Var(&o.Seed, "seed", demo.DefaultSeed, "`seed` of digits, networks and traffic")
	f.Float64Var(&o.Rate, "rate", demo.DefaultRate, "`requests` a second")
	f.Float64Var(&o.Speed, "speed", demo.DefaultSpeed, "divide the dwells by this `factor`")
	f.BoolVar(&o.Verbose, "verbose", false, "also show the files that are applied, and the server's log")
	_ = cmd.RegisterFlagCompletionFunc("scenario", cobra.FixedCompletions(demo.Scenarios(), cobra.ShellCompDirectiveNoFileComp)) // Fails only for flags that are not there.
	return cmd
}
