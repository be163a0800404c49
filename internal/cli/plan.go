package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// planning is what the flags of plan ask for.
type planning struct {
	files     []string
	policy    string
	rate      string
	baselines []string
	traffic   string
	measure   bool
	model     string
}

func newPlan(s *session) *cobra.Command {
	var a planning
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Say beforehand what a rollout can see and how long it takes, at your traffic",
		Long: "Say beforehand, for each stage and gate: the samples there will be, the smallest harm that is found with 80 %\n" +
			"and 90 % power, the margin that can be proven, how long that takes, and how many requests a bad candidate harms\n" +
			"until it is found; with warnings and what to change in the file.\n\n" +
			"The traffic is declared (--rate, --baseline, --traffic) or measured by a running server (--measure); what is\n" +
			"declared wins. What is neither is assumed, and said. No server is needed otherwise.\n\n" +
			"A baseline is METRIC=VALUE with more behind commas:\n" +
			"  error_rate=0.5%                           a rate\n" +
			"  latency_p99=120ms,p50=40ms                latencies; one more quantile gives their spread\n" +
			"  outcome:conversion=5%,share=20%,delay=30m a rate that is reported for a fifth of the requests, half an hour later\n" +
			"  outcome:revenue=12.5,cv=8,nonzero=3%      a mean, with its standard deviation over the mean\n" +
			"  memory=2GiB,spread=3%,correlation=0.5     a resource, and how much it varies from window to window\n" +
			"dispersion=N behind any of them says how much more users vary than independent requests would.",
		Example: "  belay plan -f fraud.yaml --rate 100/s --baseline error_rate=0.5% --baseline latency_p99=120ms,p50=40ms\n" +
			"  belay plan -f fraud.yaml --measure\n" +
			"  belay plan --policy standard --rate 6000/min -o json",
		Args: takes(0, 0, "its files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.plan(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&a.files, "filename", "f", nil, "`file` of models, policies and rollouts; - for standard input; may be repeated")
	f.StringVar(&a.policy, "policy", "", "`policy` to plan in place of the rollouts' own; a preset, or one of the files")
	f.StringVar(&a.rate, "rate", "", "`rate` of the model's requests, such as 100/s, 6000/min or 10/h")
	f.StringArrayVar(&a.baselines, "baseline", nil, "what a metric of the version that serves now is at, as `METRIC=VALUE`; may be repeated")
	f.StringVar(&a.traffic, "traffic", "", "`file` with rate and baseline, as the flags have them")
	f.BoolVar(&a.measure, "measure", false, "ask the server what the version that serves now does")
	f.StringVar(&a.model, "model", "", "`model` to measure (default: the rollout's)")
	_ = cmd.RegisterFlagCompletionFunc("policy", s.completePolicies) // Fails only for flags that are not there.
	_ = cmd.RegisterFlagCompletionFunc("model", s.completeModels)
	return cmd
}

// madeModel is the name of the model that is made up for a policy.
const madeModel = "any"

// planned is what plan says, as JSON has it.
type planned struct {
	Rollouts []planner.Outlook `json:"rollouts"`
}

func (s *session) plan(ctx context.Context, a planning) error {
	if s.settings.Output == config.OutputName {
		return usagef("a plan has no names; write -o table, wide, json or yaml")
	}
	if len(a.files) == 0 && a.policy == "" {
		return usagef("there is nothing to plan; write `belay plan -f FILE`, or --policy with a name such as standard")
	}
	rollouts, err := s.rolloutsIn(simulating{files: a.files, policy: a.policy})
	if err != nil {
		return err
	}
	if len(rollouts) == 0 {
		return usageError{errors.New("the files have no rollout and no policy to plan")}
	}
	out := planned{Rollouts: []planner.Outlook{}}
	for _, r := range rollouts {
		outlook, err := s.planOne(ctx, r, a)
		if err != nil {
			return err
		}
		out.Rollouts = append(out.Rollouts, outlook)
	}
	return s.show(shown{data: out, name: func() []string { return nil }, table: func(wide bool) []string {
		var lines []string
		for i := range out.Rollouts {
			if i > 0 {
				lines = append(lines, "", "")
			}
			d := drawing{outlook: &out.Rollouts[i], paint: s.painter(), width: s.frame().Width, wide: wide}
			lines = append(lines, d.lines()...)
		}
		return lines
	}})
}

// planOne plans one rollout.
func (s *session) planOne(ctx context.Context, r spec.Resolved, a planning) (planner.Outlook, error) {
	declared, err := s.declared(r, a)
	if err != nil {
		return planner.Outlook{}, err
	}
	if a.measure {
		model := a.model
		switch {
		case model != "":
		case r.Model == madeModel:
			return planner.Outlook{}, usagef("--measure needs --model with the name of the model to measure")
		default:
			model = r.Model
		}
		measured, unit, err := s.measured(ctx, model)
		if err != nil {
			return planner.Outlook{}, err
		}
		declared = measured.Under(declared)
		if r.Model == madeModel {
			r.Model, r.Unit = model, unit
		}
	}
	if declared.Rate == 0 {
		return planner.Outlook{}, usagef("the traffic is not known; write --rate with the requests of the model, such as --rate 100/s, or --measure to ask the server")
	}
	return planner.Look(r, declared)
}
