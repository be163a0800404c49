package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/core/planner"
)

// drawing draws an outlook for people.
type drawing struct {
	outlook *planner.Outlook
	paint   frame.Painter
	width   int
	wide    bool
}

// roomy is the width from which on both powers are shown.
const roomy = 100

// most is the width beyond which prose is hard to read.
const most = 120

func (d *drawing) lines() []string {
	o := d.outlook
	var out []string
	for _, line := range frame.Wrap(o.Headline, d.prose(), "", "") {
		out = append(out, d.paint.Head(line))
	}
	if o.Unguarded != "" {
		out = append(out, d.paint.Alarm("UNGUARDED")+" "+o.Unguarded)
	}
	out = append(out, "")
	out = append(out, d.given()...)
	out = append(out, "")
	out = append(out, d.stages()...)
	out = append(out, "")
	out = append(out, d.gates()...)
	if harms := d.harms(); len(harms) > 1 {
		out = append(out, "")
		out = append(out, harms...)
	}
	out = append(out, "")
	return append(out, d.warnings()...)
}

func (d *drawing) prose() int { return min(d.width, most) }

// given says what was reckoned with.
func (d *drawing) given() []string {
	o := d.outlook
	parts := []string{planner.Size(o.Traffic.RequestsPerSecond) + " requests/s"}
	for i := range o.Gates {
		if g := &o.Gates[i]; g.Baseline != "" && g.Origin != "assumed" {
			parts = append(parts, g.Gate+" "+g.Baseline)
		}
	}
	out := frame.Wrap(strings.Join(parts, ", ")+" ("+o.Traffic.Origin+")", d.prose(), "traffic  ", "         ")
	for i, a := range o.Assumed {
		first := "         "
		if i == 0 {
			first = "assumed  "
		}
		out = append(out, frame.Wrap(a, d.prose(), first, "         ")...)
	}
	for i := range out {
		out[i] = d.paint.Quiet(out[i])
	}
	return out
}

// stages draws what each stage sees when nothing is wrong.
func (d *drawing) stages() []string {
	o := d.outlook
	powers := ""
	if d.both() {
		powers = " 80% (90%)"
	}
	rows := [][]string{{"STAGE", "TAKES", "REQUESTS", "GATE", "SAMPLES", "CATCHES" + powers, "PROVES" + powers}}
	for i := range o.Stages {
		s := &o.Stages[i]
		head := []string{frame.Percent(s.WeightPercent), planner.Span(s.Seconds) + d.mark(s), planner.Size(s.CandidateRequests)}
		for g := range s.Gates {
			rows = append(rows, append(head, d.at(s, &s.Gates[g])...))
			head = []string{"", "", ""}
		}
	}
	out := frame.Columns(rows)
	out[0] = d.paint.Head(out[0])
	return append(out, d.waits()...)
}

// waits says what stages take longer than their dwell for, each cause once.
func (d *drawing) waits() []string {
	var causes []string
	where := map[string][]string{}
	for i := range d.outlook.Stages {
		s := &d.outlook.Stages[i]
		if s.WaitsFor == "" {
			continue
		}
		if where[s.WaitsFor] == nil {
			causes = append(causes, s.WaitsFor)
		}
		where[s.WaitsFor] = append(where[s.WaitsFor], frame.Percent(s.WeightPercent))
	}
	var out []string
	for _, cause := range causes {
		text := fmt.Sprintf("longer than the dwell at %s: the stage waits for %s", strings.Join(where[cause], ", "), cause)
		out = append(out, frame.Wrap(text, d.prose(), "* ", "  ")...)
	}
	return out
}

func (d *drawing) both() bool { return d.wide || d.width >= roomy }

// mark marks a stage that takes longer than its dwell.
func (d *drawing) mark(s *planner.StageOutlook) string {
	if s.WaitsFor != "" {
		return "*"
	}
	return ""
}

// at are the columns of a gate at a stage.
func (d *drawing) at(s *planner.StageOutlook, g *planner.GateAt) []string {
	if !g.Active {
		return []string{g.Gate, "off", "", ""}
	}
	samples := planner.Size(g.Candidate)
	if d.both() {
		samples += "/" + planner.Size(g.Baseline)
	}
	if !s.Compares {
		return []string{g.Gate, samples, "nothing is compared", ""}
	}
	proves := d.powered(g.Proves, "-")
	if g.MarginProven >= 0.8 {
		proves += " ok"
	}
	return []string{g.Gate, samples, d.powered(g.Catches, "nothing"), proves}
}

// powered writes what is seen with 80 % power, and with 90 % where there is room.
func (d *drawing) powered(p planner.Powered, none string) string {
	if p.P80 == nil {
		return none
	}
	if !d.both() {
		return p.P80.Text
	}
	if p.P90 == nil {
		return p.P80.Text + " (-)"
	}
	return p.P80.Text + " (" + p.P90.Text + ")"
}

// gates draws when each margin is proven if nothing has changed.
func (d *drawing) gates() []string {
	rows := [][]string{{"IF NOTHING CHANGED", "MARGIN", "PROVEN AFTER", "4 IN 5", "9 IN 10", ""}}
	for i := range d.outlook.Gates {
		g := &d.outlook.Gates[i]
		note := ""
		switch {
		case !g.Required:
			note = "guards only"
		case g.Gate == d.outlook.Weakest && len(d.outlook.Gates) > 1:
			note = "waited for longest"
		}
		rows = append(rows, []string{g.Gate, g.Margin, timeText(g.Pass.P50), timeText(g.Pass.P80), timeText(g.Pass.P90), note})
	}
	out := frame.Columns(rows)
	out[0] = d.paint.Head(out[0])
	return out
}

// timeText writes a time, and - for one that does not come.
func timeText(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return planner.Span(seconds)
}

// harms draws what becomes of bad candidates.
func (d *drawing) harms() []string {
	rows := [][]string{{"IF THE CANDIDATE IS BAD", "", "CAUGHT AFTER", "9 IN 10", "AT", "EXPOSED", "9 IN 10", "HARMED"}}
	if !d.both() {
		rows[0] = slices.Delete(rows[0], 6, 7)
	}
	for i := range d.outlook.Gates {
		g := &d.outlook.Gates[i]
		name := g.Gate
		for h := range g.Harms {
			rows = append(rows, append([]string{name}, d.harm(g, &g.Harms[h])...))
			name = ""
		}
	}
	out := frame.Columns(rows)
	out[0] = d.paint.Head(out[0])
	return out
}

func (d *drawing) harm(g *planner.GateOutlook, h *planner.HarmOutlook) []string {
	row := []string{h.Change.Text, timeText(h.Times.P50), timeText(h.Times.P90), d.decides(h), sizeText(h.Exposed50)}
	if h.Times.P50 == 0 {
		row[1] = "mostly not"
		if h.Caught < 0.1 {
			row[1] = "not"
		}
	}
	if d.both() {
		row = append(row, sizeText(h.Exposed90))
	}
	harmed := sizeText(h.Harmed50)
	if g.Kind == "mean" && h.Harmed50 > 0 {
		harmed += " lost"
	}
	return append(row, harmed)
}

// sizeText writes a number, and - for none.
func sizeText(n float64) string {
	if n <= 0 {
		return "-"
	}
	return planner.Size(n)
}

// decides names the stage at which a harm is mostly found.
func (d *drawing) decides(h *planner.HarmOutlook) string {
	if h.Caught < 0.1 || h.Stage >= len(d.outlook.Stages) {
		return "-"
	}
	return frame.Percent(d.outlook.Stages[h.Stage].WeightPercent)
}

// warnings writes the warnings with what to change.
func (d *drawing) warnings() []string {
	if len(d.outlook.Warnings) == 0 {
		return []string{"No warnings."}
	}
	var out []string
	for i := range d.outlook.Warnings {
		w := &d.outlook.Warnings[i]
		for n, line := range frame.Wrap(w.Message, d.prose(), "! ", "  ") {
			if n == 0 {
				line = d.paint.Wait("!") + strings.TrimPrefix(line, "!")
			}
			out = append(out, line)
		}
		for _, p := range w.Proposals {
			out = append(out, d.paint.Quiet("  "+p.Why+":"))
			for line := range strings.SplitSeq(p.YAML, "\n") {
				out = append(out, "    "+line)
			}
		}
	}
	return out
}
