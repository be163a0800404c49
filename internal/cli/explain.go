package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
)

func newExplain(s *session) *cobra.Command {
	var seq int64
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Explain a decision: its sentence, the order of checks, the gates, the inputs",
		Long: "Explain a decision, the last one or --seq N. With -o json, `inputs` is the log entry as it was hashed:\n" +
			"whoever has it and the evidence can make the decision again.",
		Args: takes(1, 1, "the name of a rollout or of its model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if seq < 0 {
				return usagef("--seq counts from 1")
			}
			return s.explain(cmd, args[0], seq)
		},
		ValidArgsFunction: s.completeRollouts,
	}
	cmd.Flags().Int64Var(&seq, "seq", 0, "the `number` of the decision in the log (default: the last)")
	return cmd
}

func (s *session) explain(cmd *cobra.Command, name string, seq int64) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	after := seq - 1 // 0 asks for the last: -1.
	decisions, err := c.Decisions(cmd.Context(), client.DecisionRequest{Rollout: name, After: after, Limit: 1})
	if err != nil {
		return err
	}
	if len(decisions) == 0 || seq > 0 && decisions[0].Seq != seq {
		if seq == 0 {
			return fmt.Errorf("%s has no decision yet; `belay watch %s` waits for one", name, name)
		}
		return fmt.Errorf("the log of %s has no decision #%d; leave --seq out for the last", name, seq)
	}
	d := decisions[0]
	r, err := c.Status(cmd.Context(), name)
	if err != nil {
		return err
	}
	return s.show(shown{
		data:  d,
		name:  func() []string { return []string{fmt.Sprintf("decision/%d", d.Seq)} },
		table: func(bool) []string { return append(s.unguarded(&r), s.frame().Explanation(&d)...) },
	})
}

// unguarded says first of all that no gate would roll a rollout back.
func (s *session) unguarded(r *client.Rollout) []string {
	if r.Unguarded == "" || client.Final(r.Phase) {
		return nil
	}
	return []string{s.painter().Alarm("UNGUARDED") + "  " + r.Unguarded}
}
