package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/simulate"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// simulating is what the flags of simulate ask for.
type simulating struct {
	files     []string
	policy    string
	scenarios []string
	world     string
	rate      string
	list      bool
	schema    bool
	simulate.Options
}

func newSimulate(s *session) *cobra.Command {
	var a simulating
	cmd := &cobra.Command{
		Use:   "simulate -f FILE",
		Short: "Play a rollout many times in virtual time: false alarms, what is caught, how soon, at what cost",
		Long: "Play a rollout many times in virtual time, request by request, over the same judgements and decisions that\n" +
			"production runs: how often an equal candidate is rolled back, how often and how soon a worse one is caught, how\n" +
			"many requests it serves until then, and how many of them go wrong because of it. No server is needed.\n\n" +
			"Scenarios are built in (`belay simulate --list`) or documents of kind Scenario. Equal files and seeds give equal\n" +
			"results. Ctrl-C ends the simulation and shows what is known by then.",
		Example: "  belay simulate -f fraud.yaml\n" +
			"  belay simulate --policy standard --scenario no-change --scenario errors-x10 --reps 500\n" +
			"  belay simulate -f fraud.yaml --world friday.yaml --scenario all --rate 20/s -o json",
		Args: takes(0, 0, "its files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case a.list:
				return s.listScenarios()
			case a.schema:
				_, err := s.out.Write(scenario.Schema())
				return err
			}
			return s.simulate(cmd.Context(), a)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&a.files, "filename", "f", nil, "`file` of models, policies and rollouts; - for standard input; may be repeated")
	f.StringVar(&a.policy, "policy", "", "`policy` to simulate in place of the rollouts' own; a preset, or one of the files")
	f.StringArrayVar(&a.scenarios, "scenario", nil, "`name` of a scenario, all, or a file of scenarios; may be repeated (default: some that suit the gates)")
	f.StringVar(&a.world, "world", "", "`file` with a scenario whose traffic and baseline all others take over")
	f.StringVar(&a.rate, "rate", "", "`rate` of requests, such as 100/s, in place of the scenarios' own")
	f.IntVar(&a.Reps, "reps", 0, "`number` of rollouts of each scenario (default 20 to 200, fewer where there is more traffic)")
	f.Uint64Var(&a.Seed, "seed", 1, "`seed` of all that is drawn")
	f.IntVar(&a.Workers, "workers", 0, "`number` of rollouts at a time (default: the number of processors)")
	f.DurationVar(&a.Every, "every", 0, "`time` between two looks at the evidence (default 1s, up to 1m while nothing new happens)")
	f.DurationVar(&a.Limit, "limit", 0, "virtual `time` after which a rollout is given up (default: when its stages have used up theirs)")
	f.BoolVar(&a.list, "list", false, "list the scenarios that are built in")
	f.BoolVar(&a.schema, "schema", false, "print the JSON Schema of scenarios")
	_ = cmd.RegisterFlagCompletionFunc("scenario", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(scenario.Names(), "all"), cobra.ShellCompDirectiveDefault
	}) // Fails only for flags that are not there.
	return cmd
}

// simulated is what simulate found, as JSON has it.
type simulated struct {
	Rollouts []simulatedRollout `json:"rollouts"`
	// Stopped says that it was ended before all rollouts were played.
	Stopped bool `json:"stopped,omitempty"`
}

type simulatedRollout struct {
	Rollout string            `json:"rollout"`
	Policy  string            `json:"policy"`
	Rate    float64           `json:"requestsPerSecond"`
	Results []simulate.Result `json:"results"`
}

func (s *session) simulate(ctx context.Context, a simulating) error {
	if s.settings.Output == config.OutputName {
		return usagef("a simulation has no names; write -o table, wide, json or yaml")
	}
	rollouts, err := s.rolloutsIn(a)
	if err != nil {
		return err
	}
	progress := s.progress()
	began := s.now()
	var out simulated
	for _, r := range rollouts {
		worlds, err := s.worlds(r, a)
		if err != nil {
			return err
		}
		one := simulatedRollout{Rollout: r.Rollout, Policy: r.Policy, Rate: worlds[0].Scenario.Traffic.Rate}
		for i, w := range worlds {
			o := a.Options
			o.Progress = progress.of(w.Scenario.Name, i, len(worlds))
			result, err := w.Run(ctx, o)
			if err != nil {
				return usageError{err}
			}
			if result.Reps > 0 || ctx.Err() == nil {
				one.Results = append(one.Results, result)
			}
			if ctx.Err() != nil {
				out.Stopped = true
				break
			}
		}
		out.Rollouts = append(out.Rollouts, one)
		if out.Stopped {
			break
		}
	}
	progress.end()
	return s.showSimulated(&out, s.now().Sub(began))
}

func (s *session) showSimulated(out *simulated, took time.Duration) error {
	err := s.show(shown{data: out, name: func() []string { return nil }, table: func(wide bool) []string {
		var lines []string
		for i := range out.Rollouts {
			if i > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, simulatedTable(&out.Rollouts[i], wide)...)
		}
		return lines
	}})
	for _, line := range simulatedNotes(out, took) {
		s.say("%s", line)
	}
	if err == nil && out.Stopped {
		s.say("belay: stopped; what is shown was known by then")
		return exitError{exitFailure}
	}
	return err
}

// made is a model and a rollout to try a policy with.
const made = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: any}
spec: {protocol: http, serving: {version: v1, url: "http://localhost:9001"}}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: any}
spec: {model: any, candidate: {version: v2, url: "http://localhost:9002"}}
`

// rolloutsIn resolves the rollouts of the files, all of whose mistakes come at
// once. Where the files have policies alone, each is tried with a model made up.
func (s *session) rolloutsIn(a simulating) ([]spec.Resolved, error) {
	var all spec.File
	var errs spec.Problems
	for _, path := range a.files {
		data, err := s.readAll(path, maxDocument)
		if err != nil {
			return nil, err
		}
		if path == "-" {
			path = "standard input"
		}
		file, _, err := spec.Parse(path, data)
		errs = append(errs, found(err)...)
		all.Models = append(all.Models, file.Models...)
		all.Policies = append(all.Policies, file.Policies...)
		all.Rollouts = append(all.Rollouts, file.Rollouts...)
	}
	if err := errs.Err(); err != nil {
		return nil, s.mistakes(err)
	}
	if len(all.Rollouts) == 0 {
		tried(&all, a)
	}
	var out []spec.Resolved
	for _, r := range all.Rollouts {
		if a.policy != "" {
			r.Policy = a.policy
		}
		resolved, err := resolveIn(all, r)
		if err != nil {
			return nil, s.mistakes(err)
		}
		out = append(out, resolved)
	}
	return out, nil
}

// tried adds a rollout of a model made up for each policy that there is to try.
func tried(all *spec.File, a simulating) {
	file, _, err := spec.Parse("a model made up", []byte(made))
	if err != nil { // A test proves that it can be read.
		return
	}
	names := []string{a.policy}
	if a.policy == "" && len(all.Policies) > 0 {
		names = names[:0]
		for _, p := range all.Policies {
			names = append(names, p.Name)
		}
	}
	model := file.Models[0]
	if len(all.Models) == 1 {
		model.Unit = all.Models[0].Unit
	}
	all.Models = append(all.Models, model)
	for _, name := range names {
		r := file.Rollouts[0]
		if r.Policy = name; name == "" {
			r.Policy = spec.DefaultPolicy
		}
		r.Name = r.Policy
		all.Rollouts = append(all.Rollouts, r)
	}
}

// resolveIn resolves a rollout with the documents beside it.
func resolveIn(all spec.File, r spec.Rollout) (spec.Resolved, error) {
	i := slices.IndexFunc(all.Models, func(m spec.Model) bool { return m.Name == r.Model })
	if i < 0 {
		return spec.Resolved{}, r.Source.Problem("spec.model", "the model is in none of the files", "give its file with -f, too")
	}
	resolved, _, err := spec.Resolve(all.Models[i], r, func(name string) (spec.Policy, bool) {
		p := slices.IndexFunc(all.Policies, func(p spec.Policy) bool { return p.Name == name })
		if p < 0 {
			return spec.Policy{}, false
		}
		return all.Policies[p], true
	})
	if err != nil {
		return spec.Resolved{}, err
	}
	refusals, _ := spec.Unsupported(resolved)
	return resolved, refusals.Err()
}

// mistakes writes the mistakes of files and returns what ends the command.
func (s *session) mistakes(err error) error {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		s.say("%s", line)
	}
	return exitError{exitUsage}
}

// worlds puts a rollout into each scenario that is asked for.
func (s *session) worlds(r spec.Resolved, a simulating) ([]*simulate.World, error) {
	scenarios, err := s.scenariosFor(r, a)
	if err != nil {
		return nil, err
	}
	out := make([]*simulate.World, len(scenarios))
	for i, x := range scenarios {
		if out[i], err = simulate.Prepare(r, x); err != nil {
			return nil, usageError{err}
		}
	}
	return out, nil
}

func (s *session) scenariosFor(r spec.Resolved, a simulating) ([]scenario.Scenario, error) {
	var out []scenario.Scenario
	names := a.scenarios
	if len(names) == 0 {
		names = simulate.Suitable(r)
	}
	for _, name := range names {
		more, err := s.scenario(name)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if a.world != "" {
		worlds, err := s.scenarioFile(a.world)
		if err != nil {
			return nil, err
		}
		for i := range out {
			out[i] = out[i].In(worlds[0])
		}
	}
	if a.rate != "" {
		rate, err := scenario.ParseRate(a.rate)
		if err != nil {
			return nil, usagef("--rate: %w", err)
		}
		for i := range out {
			out[i].Traffic.Rate = rate
		}
	}
	return out, nil
}

// scenario finds scenarios: all that are built in, one by its name, or those of a
// file.
func (s *session) scenario(name string) ([]scenario.Scenario, error) {
	if name == "all" {
		return scenario.Builtins(), nil
	}
	if slices.Contains(scenario.Names(), name) {
		x, err := scenario.Builtin(name)
		return []scenario.Scenario{x}, err
	}
	if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) || name == "-" {
		return s.scenarioFile(name)
	}
	if _, err := os.Stat(name); err == nil {
		return s.scenarioFile(name)
	}
	_, err := scenario.Builtin(name)
	return nil, usageError{err}
}

func (s *session) scenarioFile(path string) ([]scenario.Scenario, error) {
	data, err := s.readAll(path, maxDocument)
	if err != nil {
		return nil, err
	}
	all, err := scenario.Parse(path, data)
	if err != nil {
		return nil, s.mistakes(err)
	}
	if len(all) == 0 {
		return nil, usageError{errors.New(path + " has no scenario")}
	}
	return all, nil
}

// listScenarios lists what is built in.
func (s *session) listScenarios() error {
	type listed struct {
		Name  string `json:"name"`
		About string `json:"about"`
	}
	var all []listed
	for _, x := range scenario.Builtins() {
		all = append(all, listed{x.Name, x.About})
	}
	return s.show(shown{
		data: all,
		name: func() []string { return scenario.Names() },
		table: func(bool) []string {
			rows := [][]string{{"SCENARIO", "WHAT HAPPENS"}}
			for _, x := range all {
				rows = append(rows, []string{x.Name, x.About})
			}
			return columns(rows)
		},
	})
}
