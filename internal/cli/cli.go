package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belay-rollouts/belay/internal/config"
)

// Main runs one command and returns its exit status.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	return run(ctx, args, &session{in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now})
}

// run runs a command over the streams of a session.
func run(ctx context.Context, args []string, s *session) int {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if errors.Is(err, syscall.EPIPE) {
		return exitDone // The reader has seen enough.
	}
	if err != nil {
		s.complain(err)
	}
	return statusOf(err)
}

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "belay",
		Short: "Staged rollouts of served models, judged on evidence",
		Long: "Belay rolls a new version of a served model out in stages and tests it at every one.\n" +
			"It goes up only on evidence, and comes down in milliseconds.\n\n" +
			"A rollout is named by its own name, or by its model's where only one is meant.\n\n" + statusHelp,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.load(cmd) },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("config", "", "`file` of settings (default $BELAY_CONFIG, or config.yaml where your system keeps settings of belay)")
	addSettings(root.PersistentFlags(), false)
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs(), cobra.ShellCompDirectiveNoFileComp)) // Fails only for flags that are not there.
	for _, group := range []cobra.Group{
		{ID: "start", Title: "To begin:"},
		{ID: "look", Title: "To look:"},
		{ID: "act", Title: "To act:"},
		{ID: "more", Title: "More:"},
	} {
		root.AddGroup(&group)
	}
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("start", newDemo(s), newServe(s), newValidate(s), newPlan(s), newSimulate(s), newCheck(s), newApply(s), newStart(s))
	add("look", newList(s), newStatus(s), newWatch(s), newExplain(s))
	add("act", newActs(s)...)
	add("more", newOutcome(s), newSchema(s), newVersion(s))
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("there is no command %q; see `belay --help`", args[0])
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// addSettings makes flags of the settings of a server, or of commands. Their
// values are read by package config, which knows the defaults.
func addSettings(flags *pflag.FlagSet, serve bool) {
	for _, setting := range config.All {
		if setting.Serve != serve {
			continue
		}
		switch {
		case setting.Switch:
			flags.Bool(setting.Flag(), setting.Default == "true", setting.Usage)
		case setting.Key == "output":
			flags.StringP(setting.Flag(), "o", setting.Default, setting.Usage)
		default:
			flags.String(setting.Flag(), setting.Default, setting.Usage)
		}
	}
}

func outputs() []string {
	out := make([]string, len(config.Outputs))
	for i, o := range config.Outputs {
		out[i] = string(o)
	}
	return out
}

// takes checks the number of arguments and says which they are.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("`%s` takes %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}

// readAll reads a file of bounded size; - is standard input.
func (s *session) readAll(path string, most int64) ([]byte, error) {
	in, name := s.in, "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close() //nolint:errcheck // It was only read.
		in, name = f, path
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, usagef("read %s: %w", name, err)
	}
	if int64(len(data)) > most {
		return nil, usagef("%s is larger than %d bytes; split it into several files", name, most)
	}
	return data, nil
}
