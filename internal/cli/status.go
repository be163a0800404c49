package cli

import (
	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
)

// recent is how many decisions are shown with a rollout.
const recent = 4

func newStatus(s *session) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Show how a rollout stands: gates, bounds, evidence, what is next",
		Long: "Show how a rollout stands.\n\n" +
			"Below each gate is a line of what is known of its change: [ and ] are the always-valid bounds, + the most likely\n" +
			"change, 0 none, ! the margin, x where harm would be proven; < and > say that a bound lies beyond the line's end.",
		Args: takes(1, 1, "the name of a rollout or of its model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			defer c.Close()
			if w.on {
				if err := s.waitFor(cmd.Context(), c, args, w); err != nil {
					return err
				}
			}
			return s.status(cmd, c, args[0])
		},
		ValidArgsFunction: s.completeRollouts,
	}
	w.flags(cmd.Flags())
	return cmd
}

func (s *session) status(cmd *cobra.Command, c *client.Client, name string) error {
	r, err := c.Status(cmd.Context(), name)
	if err != nil {
		return err
	}
	var log []client.Decision
	if r.Last != nil {
		if log, err = c.Decisions(cmd.Context(), client.DecisionRequest{Rollout: r.Name, After: -recent, Limit: recent}); err != nil {
			return err
		}
	}
	return s.show(shown{
		data: r,
		name: func() []string { return []string{"rollout/" + r.Name} },
		table: func(bool) []string {
			return s.frame().Lines(&r, newestFirst(log))
		},
	})
}

// newestFirst turns a part of the log round, without its inputs.
func newestFirst(log []client.Decision) []client.DecisionHead {
	out := make([]client.DecisionHead, len(log))
	for i, d := range log {
		out[len(log)-1-i] = headOf(&d)
	}
	return out
}

func headOf(d *client.Decision) client.DecisionHead {
	return client.DecisionHead{Seq: d.Seq, At: d.At, Kind: d.Kind, Reason: d.Reason, Gate: d.Gate, Sentence: d.Sentence, Hash: d.Hash}
}
