package frame

import (
	"fmt"
	"math"
	"strings"

	"github.com/belay-rollouts/belay/client"
)

// gateLines is the table of the gates, each with its interval below it.
func gateLines(r *client.Rollout, p Painter, wide bool) []string {
	if len(r.Gates) == 0 {
		return []string{p.Bad("no gates: nothing is compared")}
	}
	head := []string{"GATE", "BASE", "CAND", "CHANGE " + confidence(r), "MARGIN", "VERDICT"}
	if wide {
		head = append(head[:5:5], "SAMPLES C/B", "E AGAINST", "E FOR", "VERDICT")
	}
	for i := range head {
		head[i] = p.head(head[i])
	}
	rows := [][]string{head}
	for i := range r.Gates {
		rows = append(rows, gateRow(&r.Gates[i], p, wide))
	}
	table := Columns(rows)
	lines := table[:1:1]
	for i := range r.Gates {
		lines = append(lines, table[i+1])
		if below := strings.TrimRight(interval(&r.Gates[i], p)+"  "+strings.Join(notes(&r.Gates[i]), ", "), " "); below != "" {
			lines = append(lines, "   "+strings.TrimLeft(below, " "))
		}
		if wide {
			lines = append(lines, distribution(&r.Gates[i])...)
		}
	}
	return lines
}

// confidence names the bounds by how sure they are.
func confidence(r *client.Rollout) string {
	for _, g := range r.Gates {
		if g.LogPassAt > 0 {
			return fmt.Sprintf("[%s%% always-valid]", trimmed(100*(1-math.Exp(-g.LogPassAt)), 1))
		}
	}
	return "[always-valid]"
}

func gateRow(g *client.Gate, p Painter, wide bool) []string {
	row := []string{g.Gate, level(g, atBaseline), level(g, atCandidate), change(g), g.Margin}
	if wide {
		row = append(
			row, Count(g.Total.CandidateExposures)+"/"+Count(g.Total.BaselineExposures),
			eValue(g.LogFail)+" of "+eValue(g.LogFailAt), eValue(g.LogPass)+" of "+eValue(g.LogPassAt),
		)
	}
	return append(row, verdict(g, p))
}

// level is the metric itself at one arm.
func level(g *client.Gate, of func(*client.Bound) *float64) string {
	if g.Verdict == client.NoData || g.Verdict == client.Off || g.Bound == nil || of(g.Bound) == nil {
		return "-"
	}
	switch x := *of(g.Bound); g.Kind {
	case client.KindQuantile:
		return latency(x)
	case client.KindMean:
		return number(x)
	case client.KindGauge, client.KindDrift:
		return amount(x)
	default:
		return rate(x)
	}
}

func atBaseline(b *client.Bound) *float64  { return b.Baseline }
func atCandidate(b *client.Bound) *float64 { return b.Candidate }

// change is the estimate with its bounds; ? is a side that is not bounded yet.
func change(g *client.Gate) string {
	b := g.Bound
	if b == nil || b.Estimate == nil || g.Verdict == client.NoData || g.Verdict == client.Off {
		return "-"
	}
	unit, write := "pp", signed
	switch {
	case g.Kind == client.KindDrift:
		unit, write = "", distance
	case b.Relative:
		unit = "%"
	}
	if b.Lower == nil && b.Upper == nil {
		return write(*b.Estimate) + unit
	}
	return fmt.Sprintf("%s%s [%s,%s]", write(*b.Estimate), unit, side(b.Lower, write), side(b.Upper, write))
}

func side(x *float64, write func(float64) string) string {
	if x == nil {
		return "?"
	}
	return write(*x)
}

// distance writes how far apart two distributions are, from 0 to 1.
func distance(x float64) string { return trimmed(x, 3) }

// number writes a number that has no unit, to three digits: 0.0132, 12.3, 48,112.
func number(x float64) string {
	if size := math.Abs(x); size >= 1000 && size < 1e15 {
		return Count(x)
	}
	return fmt.Sprintf("%.3g", x)
}

// verdict is the word.
func verdict(g *client.Gate, p Painter) string {
	word := strings.ToUpper(string(g.Verdict))
	switch g.Verdict {
	case client.Pass:
		word = p.good(word)
	case client.Fail:
		word = p.Bad(word)
	case client.Undecided, client.NoData:
		word = p.wait(word)
	case client.Off:
		word = p.quiet(word)
	}
	return word
}

// notes are what a person should know beside the verdict.
func notes(g *client.Gate) []string {
	var out []string
	if len(g.Ceilings) > 0 && g.MarginValue != nil {
		out = append(out, strings.Join(g.Ceilings, ", "))
	}
	if g.Verdict == client.Pass && worse(g) {
		out = append(out, "worse, within margin")
	}
	if g.Verdict == client.Off && g.FromPercent > 0 {
		out = append(out, "from "+Percent(g.FromPercent))
	}
	out = append(out, read(g)...)
	if g.Caveat != "" && g.Verdict != client.Off {
		out = append(out, g.Caveat)
	}
	if g.NeedSamples > 0 && (g.Verdict == client.Undecided || g.Verdict == client.NoData) {
		out = append(out, Count(g.NeedSamples)+" samples to go")
	}
	for _, note := range []struct {
		on   bool
		text string
	}{
		{g.Waived, "overridden"},
		{g.Info, "info only"},
		{g.Holds, "fail holds"},
		{g.GuardOnly && !g.Info, "guard only"},
	} {
		if note.on {
			out = append(out, note.text)
		}
	}
	return out
}

// read says what of an output could not be read, and that its scale is being
// learned.
func read(g *client.Gate) []string {
	r := g.Readings
	if r == nil {
		return nil
	}
	var out []string
	if g.Verdict == client.NoData && g.Total.BaselineExposures == 0 && r.BaselineValues > 0 {
		out = append(out, fmt.Sprintf("the baseline is being learned (%s values)", Count(r.BaselineValues)))
	}
	for _, arm := range []struct {
		name            string
		values, missing int64
	}{{"candidate", r.CandidateValues, r.CandidateMissing}, {"baseline", r.BaselineValues, r.BaselineMissing}} {
		if arm.missing > 0 {
			out = append(out, rate(float64(arm.missing)/float64(arm.missing+arm.values))+" not found at the "+arm.name)
		}
	}
	if r.Lost > 0 {
		out = append(out, Count(r.Lost)+" values lost")
	}
	return out
}

// worse reports whether some harm is proven, although it is tolerated.
func worse(g *client.Gate) bool {
	b := g.Bound
	switch {
	case b == nil, g.Kind == client.KindDrift:
		return false
	case g.Worse == "down":
		return b.Upper != nil && *b.Upper < 0
	}
	return b.Lower != nil && *b.Lower > 0
}
