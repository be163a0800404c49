package frame

import (
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/check"
)

// Checked draws what a check found: its gates, the worst segments, and the whole
// in one line.
func (f Frame) Checked(r *check.Report) []string {
	head := []string{"GATE", "BASE", "CAND", "CHANGE " + checkedSure(r), "MARGIN", "P FAIL/PASS", "ROWS B/C", "VERDICT"}
	lines := f.checkedTable(head, r.Gates, func(g *check.Gate) []string { return []string{g.Gate} })
	if len(r.Segments) > 0 {
		shown := r.Segments
		if !f.Wide {
			shown = shown[:min(len(shown), fewSegments)]
		}
		head = append([]string{"WORST SEGMENTS"}, head...)
		lines = append(lines, "")
		lines = append(lines, f.checkedTable(head, shown, func(g *check.Gate) []string { return []string{clip(g.Segment), g.Gate} })...)
	}
	return append(lines, "", f.checkedWhole(r))
}

// checkedTable is the table of some gates, each with its interval below it.
func (f Frame) checkedTable(head []string, gates []check.Gate, name func(*check.Gate) []string) []string {
	for i := range head {
		head[i] = f.Paint.head(head[i])
	}
	rows := [][]string{head}
	for i := range gates {
		rows = append(rows, append(name(&gates[i]), f.checkedRow(&gates[i])...))
	}
	table := Columns(rows)
	lines := table[:1:1]
	for i := range gates {
		lines = append(lines, table[i+1])
		below := strings.TrimRight(f.checkedInterval(&gates[i])+"  "+strings.Join(checkedNotes(&gates[i]), ", "), " ")
		if below != "" {
			lines = append(lines, "   "+strings.TrimLeft(below, " "))
		}
	}
	return lines
}

// checkedSure names the bounds by how sure they are.
func checkedSure(r *check.Report) string {
	sure := trimmed(100*(1-r.Alpha), 1) + "%"
	if r.Method == check.Anytime {
		return "[" + sure + " always-valid]"
	}
	return "[" + sure + "]"
}

func (f Frame) checkedRow(g *check.Gate) []string {
	margin := g.Margin
	if margin == "" {
		margin = "-"
	}
	row := []string{"-", "-", "-", margin, "-", "-"}
	if b := g.Bound; b != nil {
		row[0], row[1] = checkedLevel(g, b.Baseline), checkedLevel(g, b.Candidate)
		row[2] = checkedChange(g)
		row[4] = pValue(g.PFail) + " / " + pValue(g.PPass)
	}
	switch {
	case g.Paired && g.Candidate.Rows > 0:
		row[5] = Things(g.Candidate.Rows, "pair")
	case g.Baseline.Rows > 0 || g.Candidate.Rows > 0:
		row[5] = Count(g.Baseline.Rows) + "/" + Count(g.Candidate.Rows)
	}
	return append(row, verdict(&client.Gate{Verdict: client.Verdict(g.Verdict)}, f.Paint))
}

// checkedLevel is the metric itself at one arm.
func checkedLevel(g *check.Gate, x *float64) string {
	switch {
	case x == nil:
		return "-"
	case g.Kind == "quantile":
		return latency(*x)
	case g.Kind == "rate":
		return rate(*x)
	}
	return fmt.Sprintf("%.4g", *x)
}

// checkedChange is the estimate with its bounds; ? is a side that is not bounded.
func checkedChange(g *check.Gate) string {
	b := g.Bound
	write, unit := func(x float64) string { return signed(x + 0) }, "pp"
	switch {
	case b.Of == check.Level:
		write, unit = func(x float64) string { return checkedLevel(g, &x) }, ""
	case b.Relative:
		unit = "%"
	case g.Kind == "drift":
		write, unit = func(x float64) string { return trimmed(x, 3) }, ""
	}
	end := func(x *float64) string {
		if x == nil {
			return "?"
		}
		return write(*x)
	}
	switch {
	case b.Lower == nil && b.Upper == nil && (b.Estimate == nil || b.Of == check.Level):
		return "-"
	case b.Of == check.Level:
		return "[" + end(b.Lower) + "," + end(b.Upper) + "]"
	}
	return fmt.Sprintf("%s%s [%s,%s]", end(b.Estimate), unit, end(b.Lower), end(b.Upper))
}

// pValue writes a probability.
func pValue(p float64) string {
	switch {
	case p < 0.0001:
		return "<0.0001"
	case p >= 0.995:
		return "1"
	case p < 0.1:
		return fmt.Sprintf("%.2g", p)
	}
	return fmt.Sprintf("%.2f", p)
}

// checkedInterval draws the change of a gate.
func (f Frame) checkedInterval(g *check.Gate) string {
	b := g.Bound
	if b == nil || b.Of == check.Level || g.Kind == "drift" {
		return ""
	}
	return interval(drawn(g), f.Paint)
}

// drawn is the change of a gate as that of a rollout's gate.
func drawn(g *check.Gate) *client.Gate {
	b := g.Bound
	out := &client.Gate{
		Verdict: client.Verdict(g.Verdict), MarginValue: g.MarginValue, Worse: "up",
		Bound: &client.Bound{Relative: b.Relative, Estimate: b.Estimate, Lower: b.Lower, Upper: b.Upper},
	}
	if g.Worse == "down" {
		out.Worse = "down"
	}
	return out
}

// checkedReasons are reasons in words, where the verdict alone does not tell them.
var checkedReasons = map[string]string{
	"CeilingBroken": "the limit is broken", "NoColumn": "no column of the files stands for it",
	"NotInFiles": "measured at servers, not in files", "NoCandidateData": "the candidate's rows say nothing of it",
	"NoBaselineData": "the baseline's rows say nothing of it", "TooFewRows": "too few rows", "TooFewUnits": "too few units",
	"OnlySuccesses": "nothing but successes are in the files, and rows without a word",
}

// checkedNotes are what a person should know beside the verdict.
func checkedNotes(g *check.Gate) []string {
	var out []string
	if text, ok := checkedReasons[string(g.Reason)]; ok {
		out = append(out, text)
	}
	if len(g.Ceilings) > 0 && (g.MarginValue != nil || len(g.Ceilings) > 1) {
		out = append(out, strings.Join(g.Ceilings, ", "))
	}
	if b := g.Bound; g.Verdict == "pass" && b != nil && b.Of == check.Change && g.Kind != "drift" && worse(drawn(g)) {
		out = append(out, "worse, within margin")
	}
	for _, note := range []struct {
		on   bool
		text string
	}{{g.Info, "info only"}, {g.GuardOnly && !g.Info, "guard only"}} {
		if note.on {
			out = append(out, note.text)
		}
	}
	return out
}

// checkedWhole is the verdict of all gates in one line.
func (f Frame) checkedWhole(r *check.Report) string {
	of := map[string][]string{}
	for _, g := range r.Gates {
		if !g.Info {
			of[string(g.Verdict)] = append(of[string(g.Verdict)], g.Gate)
		}
	}
	for _, g := range r.Segments {
		if r.Guarded && g.Verdict == "fail" && !g.Info {
			of["fail"] = append(of["fail"], g.Gate+" at "+clip(g.Segment))
		}
	}
	word := verdict(&client.Gate{Verdict: client.Verdict(r.Verdict)}, f.Paint)
	text := "there is no gate to judge"
	switch names := strings.Join(of[string(r.Verdict)], ", "); {
	case r.Verdict == "pass" && len(of["undecided"]) > 0:
		text = "no harm is proven; not decided: " + strings.Join(of["undecided"], ", ")
	case r.Verdict == "pass":
		text = "every gate is proven to be within its margin"
	case names == "":
	case r.Verdict == "fail":
		text = "harm is proven: " + names
	case r.Verdict == "undecided":
		text = "neither harm nor its absence is proven: " + names
	case r.Verdict == "no-data":
		text = "nothing to compare: " + names
	}
	return fmt.Sprintf("%s: %s (%s, %s, alpha %s)", word, text, r.Require, r.Method, trimmed(100*r.Alpha, 2)+"%")
}
