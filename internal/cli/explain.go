package cli

import (
	"fmt"
	"strings"

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
	return s.show(shown{
		data:  d,
		name:  func() []string { return []string{fmt.Sprintf("decision/%d", d.Seq)} },
		table: func(bool) []string { return s.frame().explanation(&d) },
	})
}

// The order of checks, as every decision goes through it.
var checks = []string{
	"a person's rollback or abort", "harm", "faults in the data or the traffic", "paused",
	"dwell", "samples", "required verdicts", "approval", "advance or complete",
}

// explanation draws a decision with what it was made from.
func (f frame) explanation(d *client.Decision) []string {
	out := []string{
		f.paint.head(fmt.Sprintf("#%d %s", d.Seq, strings.ToUpper(string(d.Kind)))) + " " + d.Reason +
			"   " + d.At.UTC().Format("2006-01-02 15:04:05.000Z"),
	}
	for _, line := range wrap(d.Sentence, f.width-2, 0) {
		out = append(out, "  "+line)
	}
	out = append(out, "", f.paint.head("Order of checks"))
	out = append(out, f.order(d)...)
	if len(d.Gates) > 0 {
		out = append(out, "", f.paint.head("Gates"))
		out = append(out, f.judged(d.Gates)...)
	}
	out = append(out, "", f.paint.head("Inputs"))
	return append(out, f.inputs(d)...)
}

// order shows which check decided.
func (f frame) order(d *client.Decision) []string {
	if d.Check.Number == 0 {
		return []string{"  outside of the order: " + outside(d.Reason)}
	}
	var out []string
	for i, name := range checks {
		n, said := i+1, "-"
		switch {
		case n < d.Check.Number:
			said = "no"
		case n == d.Check.Number:
			said = f.paint.head("this decided")
			if d.Gate != "" {
				said += ": " + d.Gate
			}
		}
		out = append(out, fmt.Sprintf("  %d  %s  %s", n, pad(name, len(checks[2])), said))
	}
	return out
}

func outside(reason string) string {
	switch reason {
	case "Started":
		return "the first traffic, once the candidate was ready"
	case "CandidateNotReady":
		return "no traffic before the candidate is ready"
	case "Ended":
		return "the rollout was over"
	}
	return reason
}

// judged is the table of e-values: a gate fails, or passes, when its e-value
// reaches the threshold beside it.
func (f frame) judged(gates []client.Judged) []string {
	rows := [][]string{{"  GATE", "VERDICT", "AGAINST", "FAILS AT", "FOR", "PASSES AT", "CANDIDATE", "BASELINE", "MARGIN"}}
	for i := range gates {
		g := &gates[i]
		rows = append(rows, []string{
			"  " + g.Gate, strings.ToUpper(string(g.Verdict)), eValue(g.LogFail), eValue(g.LogFailAt), eValue(g.LogPass), eValue(g.LogPassAt),
			of(g.Total.CandidateEvents, g.Total.CandidateExposures), of(g.Total.BaselineEvents, g.Total.BaselineExposures), g.Margin,
		})
	}
	out := columns(rows)
	return append(out, f.paint.quiet("  AGAINST and FOR are e-values; CANDIDATE and BASELINE are bad events of exposures, over all stages"))
}

func of(k, n float64) string { return count(k) + " of " + count(n) }

// inputs names what the decision was made from.
func (f frame) inputs(d *client.Decision) []string {
	rows := [][]string{
		{"  before", standing(d.Before)},
		{"  after", standing(d.After)},
	}
	if a := d.Act; a != nil {
		text := a.Kind + " by " + a.By
		if a.Override {
			text += ", with override"
		}
		rows = append(rows, []string{"  asked", text + because(a.Reason)})
	}
	rows = append(rows,
		[]string{"  evidence", "sha256 " + d.EvidenceSum},
		[]string{"  entry", "sha256 " + d.Hash},
		[]string{"  entry before", "sha256 " + d.Previous},
	)
	return append(columns(rows), f.paint.quiet("  all of them: belay explain -o json"))
}

func standing(s client.Standing) string {
	return fmt.Sprintf("%s, stage %d, weight %s", s.Phase, s.Stage+1, percent(s.WeightPercent))
}
