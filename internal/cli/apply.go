package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
)

// maxDocument bounds a file of documents, as the server does.
const maxDocument = 1 << 20

func newApply(s *session) *cobra.Command {
	var files []string
	var dryRun bool
	var w waiting
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or update models, policies and rollouts from files",
		Long: "Create or update models, policies and rollouts from files.\n" +
			"A file is taken wholly or refused wholly, with all its mistakes at once. `-f -` reads standard input.",
		Example: "  belay apply -f fraud.yaml --dry-run\n  belay apply -f fraud.yaml --wait --timeout 6h",
		Args:    takes(0, 0, "its files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usagef("there is no file to apply; write `belay apply -f FILE`")
			}
			return s.apply(cmd, files, dryRun, w)
		},
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "`file` to apply; - for standard input; may be repeated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, change nothing")
	w.flags(cmd.Flags())
	w.fresh = true
	return cmd
}

func (s *session) apply(cmd *cobra.Command, files []string, dryRun bool, w waiting) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	var all client.ApplyResult
	all.DryRun = dryRun
	for _, file := range files {
		data, err := s.readAll(file, maxDocument)
		if err != nil {
			return err
		}
		name := file
		if file == "-" {
			name = "standard input"
		}
		result, err := c.Apply(cmd.Context(), client.ApplyRequest{File: name, Data: data, DryRun: dryRun})
		if err != nil {
			return err
		}
		s.warn(result.Warnings)
		all.Applied = append(all.Applied, result.Applied...)
		all.Warnings = append(all.Warnings, result.Warnings...)
	}
	if err := s.show(applied(all)); err != nil {
		return err
	}
	if !w.on || dryRun {
		return nil
	}
	return s.waitFor(cmd.Context(), c, rolloutsOf(all), w)
}

func applied(r client.ApplyResult) shown {
	names := func() []string {
		var out []string
		for _, a := range r.Applied {
			out = append(out, strings.ToLower(a.Kind)+"/"+a.Name)
		}
		return out
	}
	return shown{data: r, name: names, table: func(bool) []string {
		out := names()
		for i, a := range r.Applied {
			out[i] += " " + string(a.Change)
			if r.DryRun {
				out[i] += " (dry run)"
			}
		}
		return out
	}}
}

// warn writes warnings as compilers do.
func (s *session) warn(warnings []client.Warning) {
	for _, w := range warnings {
		s.say("warning: %s", placed(client.FileProblem{
			File: w.File, Line: w.Line, Column: w.Column, Path: w.Path, Message: w.Message, Hint: w.Hint,
		}))
	}
}

// rolloutsOf are the names of the rollouts that were applied.
func rolloutsOf(r client.ApplyResult) []string {
	var out []string
	for _, a := range r.Applied {
		if a.Kind == "Rollout" {
			out = append(out, a.Name)
		}
	}
	return out
}

func newStart(s *session) *cobra.Command {
	var r client.StartRequest
	var w waiting
	cmd := &cobra.Command{
		Use:     "start MODEL --version V --url URL",
		Short:   "Start a rollout of a model that the server knows",
		Example: "  belay start fraud-scorer --version v7 --url http://localhost:9007 --policy cautious",
		Args:    takes(1, 1, "the name of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Version == "" || r.URL == "" {
				return usagef("a rollout needs --version and --url of its candidate")
			}
			r.Model = args[0]
			return s.start(cmd, r, w)
		},
		ValidArgsFunction: s.completeModels,
	}
	f := cmd.Flags()
	f.StringVar(&r.Version, "version", "", "the candidate's `version`")
	f.StringVar(&r.URL, "url", "", "the candidate's base `URL`")
	f.StringVar(&r.Policy, "policy", "", "`policy` (default standard)")
	f.StringVar(&r.Name, "name", "", "`name` of the rollout (default MODEL-VERSION)")
	f.BoolVar(&r.DryRun, "dry-run", false, "check everything, change nothing")
	w.flags(f)
	w.fresh = true
	_ = cmd.RegisterFlagCompletionFunc("policy", s.completePolicies) // Fails only for flags that are not there.
	return cmd
}

func (s *session) start(cmd *cobra.Command, r client.StartRequest, w waiting) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	started, err := c.Start(cmd.Context(), r)
	if err != nil {
		return err
	}
	if started.Unguarded != "" {
		s.say("warning: UNGUARDED: %s", started.Unguarded)
	}
	err = s.show(shown{
		data: started,
		name: func() []string { return []string{"rollout/" + started.Name} },
		table: func(bool) []string {
			if r.DryRun {
				return []string{"rollout/" + started.Name + " would start (dry run)"}
			}
			return []string{fmt.Sprintf("rollout/%s started; `belay watch %s` follows it", started.Name, started.Name)}
		},
	})
	if err != nil || r.DryRun || !w.on {
		return err
	}
	return s.waitFor(cmd.Context(), c, []string{started.Name}, w)
}
