package frame

import (
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/client"
)

// The order of checks, as every decision goes through it.
var checks = []string{
	"a person's rollback or abort", "harm", "faults in the data or the traffic", "paused",
	"dwell", "samples", "required verdicts", "approval", "advance or complete",
}

// Explanation draws a decision with what it was made from.
func (f Frame) Explanation(d *client.Decision) []string {
	out := []string{
		f.Paint.head(fmt.Sprintf("#%d %s", d.Seq, strings.ToUpper(string(d.Kind)))) + " " + d.Reason +
			"   " + d.At.UTC().Format("2006-01-02 15:04:05.000Z"),
	}
	for _, line := range wrap(d.Sentence, f.Width-2, 0) {
		out = append(out, "  "+line)
	}
	out = append(out, "", f.Paint.head("Order of checks"))
	out = append(out, f.order(d)...)
	if len(d.Gates) > 0 {
		out = append(out, "", f.Paint.head("Gates"))
		out = append(out, f.judged(d.Gates)...)
	}
	out = append(out, "", f.Paint.head("Inputs"))
	return append(out, f.inputs(d)...)
}

// order shows which check decided.
func (f Frame) order(d *client.Decision) []string {
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
			said = f.Paint.head("this decided")
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
func (f Frame) judged(gates []client.Judged) []string {
	rows := [][]string{{"  GATE", "VERDICT", "AGAINST", "FAILS AT", "FOR", "PASSES AT", "CANDIDATE", "BASELINE", "MARGIN"}}
	for i := range gates {
		g := &gates[i]
		rows = append(rows, []string{
			"  " + g.Gate, strings.ToUpper(string(g.Verdict)), eValue(g.LogFail), eValue(g.LogFailAt), eValue(g.LogPass), eValue(g.LogPassAt),
			of(g.Kind, g.Total.CandidateEvents, g.Total.CandidateExposures), of(g.Kind, g.Total.BaselineEvents, g.Total.BaselineExposures), g.Margin,
		})
	}
	out := Columns(rows)
	for i := range gates {
		if g := &gates[i]; g.Caveat != "" && g.Verdict != client.Off {
			out = append(out, "  "+g.Gate+": "+g.Caveat)
		}
	}
	return append(out, f.Paint.quiet("  AGAINST and FOR are e-values; CANDIDATE and BASELINE are bad events of exposures, over all stages"))
}

// of is what a gate was judged by: events of exposures, or so many numbers.
func of(kind client.GateKind, k, n float64) string {
	switch kind {
	case client.KindMean, client.KindDrift:
		return Things(n, "value")
	case client.KindGauge:
		return Things(n, "window")
	default:
		return Count(k) + " of " + Count(n)
	}
}

// inputs names what the decision was made from.
func (f Frame) inputs(d *client.Decision) []string {
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
	return append(Columns(rows), f.Paint.quiet("  all of them: belay explain -o json"))
}

func standing(s client.Standing) string {
	return fmt.Sprintf("%s, stage %d, weight %s", s.Phase, s.Stage+1, Percent(s.WeightPercent))
}
