package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
)

func newList(s *session) *cobra.Command {
	var r client.ListRequest
	var models, policies bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List rollouts, or models, or policies",
		Args:  takes(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			defer c.Close()
			switch {
			case models:
				return s.listModels(cmd, c)
			case policies:
				return s.listPolicies(cmd, c)
			}
			rollouts, err := c.List(cmd.Context(), r)
			if err != nil {
				return err
			}
			if len(rollouts) == 0 {
				s.say("no rollouts; `belay apply -f FILE` or `belay start` begins one")
			}
			return s.show(listed(rollouts, s.painter(), s.now()))
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Model, "model", "", "only rollouts of this `model`")
	f.BoolVar(&r.Active, "active", false, "only rollouts that have not ended")
	f.IntVar(&r.Limit, "limit", 0, "at most this `number`, the newest (default 100)")
	f.BoolVar(&models, "models", false, "list models instead")
	f.BoolVar(&policies, "policies", false, "list policies instead")
	cmd.MarkFlagsMutuallyExclusive("models", "policies")
	_ = cmd.RegisterFlagCompletionFunc("model", s.completeModels) // Fails only for flags that are not there.
	return cmd
}

// items is a list as JSON and YAML have it.
type items[T any] struct {
	Items []T `json:"items"`
}

func listed(rollouts []client.Rollout, p painter, now time.Time) shown {
	return shown{
		data: items[client.Rollout]{Items: rollouts},
		name: func() []string { return names(rollouts, func(r client.Rollout) string { return "rollout/" + r.Name }) },
		table: func(wide bool) []string {
			if len(rollouts) == 0 {
				return nil
			}
			return rolloutTable(rollouts, p, wide, now)
		},
	}
}

func rolloutTable(rollouts []client.Rollout, p painter, wide bool, now time.Time) []string {
	head := []string{"NAME", "FROM", "TO", "PHASE", "STAGE", "WORST GATE", "EXPOSED", "AGE"}
	if wide {
		head = append(head, "POLICY", "BY", "LAST")
	}
	f := frame{paint: p, now: now}
	rows := [][]string{head}
	for i := range rollouts {
		r := &rollouts[i]
		phase := f.phase(r)
		if r.Unguarded != "" && !client.Final(r.Phase) {
			phase += " " + p.alarm("UNGUARDED")
		}
		row := []string{
			r.Name, r.Baseline.Version, r.Candidate.Version, phase,
			fmt.Sprintf("%s (%d of %d)", percent(r.Stage.AskedPercent), r.Stage.Index+1, r.Stage.Of),
			worstGate(r), count(r.Exposure.Requests), span(f.age(r)),
		}
		if wide {
			row = append(row, r.Policy, r.CreatedBy, lastText(r))
		}
		rows = append(rows, row)
	}
	return columns(rows)
}

func lastText(r *client.Rollout) string {
	if r.Last == nil {
		return "-"
	}
	return fmt.Sprintf("#%d %s", r.Last.Seq, r.Last.Reason)
}

// worstGate is the gate that is nearest to a rollback: by its verdict, then by
// how far its evidence is on the way to its threshold.
func worstGate(r *client.Rollout) string {
	rank := map[client.Verdict]int{client.Fail: 4, client.NoData: 3, client.Undecided: 2, client.Pass: 1, client.Off: 0}
	var worst *client.Gate
	for i := range r.Gates {
		g := &r.Gates[i]
		if g.Info {
			continue
		}
		if worst == nil || rank[g.Verdict] > rank[worst.Verdict] ||
			rank[g.Verdict] == rank[worst.Verdict] && g.LogFail-g.LogFailAt > worst.LogFail-worst.LogFailAt {
			worst = g
		}
	}
	if worst == nil {
		return "-"
	}
	return worst.Gate + " " + strings.ToUpper(string(worst.Verdict))
}

func names[T any](all []T, name func(T) string) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = name(x)
	}
	return out
}

func (s *session) listModels(cmd *cobra.Command, c *client.Client) error {
	models, err := c.Models(cmd.Context())
	if err != nil {
		return err
	}
	return s.show(shown{
		data: items[client.Model]{Items: models},
		name: func() []string { return names(models, func(m client.Model) string { return "model/" + m.Name }) },
		table: func(bool) []string {
			rows := [][]string{{"NAME", "SERVING", "URL", "PROTOCOL", "UNIT", "RESTS UNTIL"}}
			for _, m := range models {
				until := "-"
				if m.CooldownUntil.After(s.now()) {
					until = clock(m.CooldownUntil, s.now())
				}
				rows = append(rows, []string{m.Name, m.Serving.Version, m.Serving.URL, m.Protocol, m.Unit, until})
			}
			return columns(rows)
		},
	})
}

func (s *session) listPolicies(cmd *cobra.Command, c *client.Client) error {
	policies, err := c.Policies(cmd.Context())
	if err != nil {
		return err
	}
	return s.show(shown{
		data: items[client.Policy]{Items: policies},
		name: func() []string {
			return names(policies, func(p client.Policy) string { return "policy/" + p.Name })
		},
		table: func(bool) []string {
			rows := [][]string{{"NAME", "ORIGIN"}}
			for _, p := range policies {
				origin := "applied, revision " + count(p.Revision)
				if p.Preset {
					origin = "preset"
				}
				rows = append(rows, []string{p.Name, origin})
			}
			return columns(rows)
		},
	})
}
