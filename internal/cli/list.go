package cli

import (
	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
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
			return s.show(listed(rollouts, s.frame()))
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

func listed(rollouts []client.Rollout, f frame.Frame) shown {
	return shown{
		data: items[client.Rollout]{Items: rollouts},
		name: func() []string { return names(rollouts, func(r client.Rollout) string { return "rollout/" + r.Name }) },
		table: func(bool) []string {
			if len(rollouts) == 0 {
				return nil
			}
			return f.Table(rollouts)
		},
	}
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
					until = frame.Clock(m.CooldownUntil, s.now())
				}
				rows = append(rows, []string{m.Name, m.Serving.Version, m.Serving.URL, m.Protocol, m.Unit, until})
			}
			return frame.Columns(rows)
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
				origin := "applied, revision " + frame.Count(p.Revision)
				if p.Preset {
					origin = "preset"
				}
				rows = append(rows, []string{p.Name, origin})
			}
			return frame.Columns(rows)
		},
	})
}
