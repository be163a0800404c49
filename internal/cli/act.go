package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
)

// newActs are the commands of what people ask of a rollout.
func newActs(s *session) []*cobra.Command {
	return []*cobra.Command{
		newAct(s, client.ActPromote, "Go on to the next stage without waiting for the dwell",
			"Go on to the next stage now, without waiting for the dwell. A gate that has failed or a verdict that is missing\n"+
				"stops it, unless --override says that you answer for it; that needs a --reason, and the log keeps both."),
		newAct(s, client.ActPause, "Stop the ladder; the rollout stays guarded", ""),
		newAct(s, client.ActResume, "Go on after a pause", ""),
		newAct(s, client.ActRollback, "Take all traffic from the candidate, now",
			"Take all traffic from the candidate, now. It ends the rollout; the command returns when the traffic is confirmed."),
		newAct(s, client.ActAbort, "Roll back, and give the rollout up", ""),
	}
}

func newAct(s *session, kind client.ActionKind, short, long string) *cobra.Command {
	r := client.ActRequest{Kind: kind}
	cmd := &cobra.Command{
		Use: string(kind) + " NAME", Short: short, Long: long,
		Args: takes(1, 1, "the name of a rollout or of its model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Rollout = args[0]
			if r.Override && strings.TrimSpace(r.Reason) == "" {
				return usagef("--override needs a --reason: somebody has to answer for it")
			}
			return s.act(cmd, r)
		},
		ValidArgsFunction: s.completeActive,
	}
	f := cmd.Flags()
	f.StringVar(&r.Reason, "reason", "", "why, for the decision `log`")
	f.BoolVar(&r.DryRun, "dry-run", false, "say what would follow, change nothing")
	f.Int64Var(&r.IfRevision, "if-revision", 0, "only while the rollout is at this `revision`")
	if kind == client.ActPromote {
		f.BoolVar(&r.Override, "override", false, "go on in spite of a failed gate or a missing verdict")
	}
	return cmd
}

func (s *session) act(cmd *cobra.Command, r client.ActRequest) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	after, err := c.Act(cmd.Context(), r)
	if err != nil {
		return err
	}
	return s.show(shown{
		data:  after,
		name:  func() []string { return []string{"rollout/" + after.Name} },
		table: func(bool) []string { return acted(&after, r) },
	})
}

// phaseWord is a phase within a sentence.
func phaseWord(p client.Phase) string {
	switch p {
	case client.RolledBack:
		return "rolled back"
	case client.AwaitingApproval:
		return "awaiting approval"
	case client.Pending, client.Progressing, client.Holding, client.Completed, client.Aborted:
	}
	return strings.ToLower(string(p))
}

// acted says what an act led to.
func acted(r *client.Rollout, asked client.ActRequest) []string {
	head := "rollout/" + r.Name + " " + phaseWord(r.Phase)
	switch {
	case asked.DryRun:
		head += " (dry run)"
	case r.Ending != nil && client.Final(r.Phase):
		head += "; " + frame.Ending(r.Ending)
	}
	if r.Last != nil && !asked.DryRun {
		return []string{head, r.Last.Sentence}
	}
	return []string{head}
}
