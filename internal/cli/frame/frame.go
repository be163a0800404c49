// Package frame draws how rollouts stand, for people at a terminal: one rollout
// with its gates and what is known of their changes, a table of many, a
// decision with what it was made from.
//
// Every drawing is a pure function of what it is given: no clock, no terminal,
// no server. It is text that reads the same without colours, because colour
// never says anything that the word does not, and it keeps to the width that it
// is told. Numbers are rounded for reading; -o json has them whole.
package frame

import (
	"fmt"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// Frame says how and when to draw.
type Frame struct {
	Paint Painter
	Width int // columns of the terminal
	Now   time.Time
	Wide  bool
	// PerSecond is the traffic of both arms, measured between two statuses; 0
	// when it is not known.
	PerSecond float64
	// Hint stands at the right end of the first line.
	Hint string
}

// Lines draws a rollout with the last decisions, newest first.
func (f Frame) Lines(r *client.Rollout, decisions []client.DecisionHead) []string {
	var out []string
	out = append(out, f.header(r))
	out = append(out, f.alarms(r)...)
	out = append(out, f.ladder(r))
	out = append(out, f.traffic(r)...)
	out = append(out, "")
	out = append(out, gateLines(r, f.Paint, f.Wide)...)
	out = append(out, segmentLines(r, f.Paint, f.Wide)...)
	out = append(out, "")
	out = append(out, wrap(f.exposure(r), f.Width, 0)...)
	out = append(out, f.next(r)...)
	for i := range decisions {
		out = append(out, f.decision(&decisions[i])...)
	}
	return out
}

// header says what goes where, and how far it is.
func (f Frame) header(r *client.Rollout) string {
	left := f.Paint.head(r.Model+" "+r.Baseline.Version+" -> "+r.Candidate.Version) + "   " + f.phase(r) +
		"   " + r.Environment + " " + Percent(r.Stage.AskedPercent) + "   " + Span(f.age(r))
	if r.Name != r.Model+"-"+r.Candidate.Version {
		left += "   (" + r.Name + ")"
	}
	if r.Attempt > 1 {
		left += fmt.Sprintf("   attempt %d", r.Attempt)
	}
	if gap := f.Width - width(left) - width(f.Hint); f.Hint != "" && gap > 1 {
		left += strings.Repeat(" ", gap) + f.Paint.quiet(f.Hint)
	}
	return left
}

// phase is the phase as a word with a mark before it.
func (f Frame) phase(r *client.Rollout) string {
	switch r.Phase {
	case client.Completed:
		return f.Paint.good("* COMPLETED")
	case client.RolledBack:
		return f.Paint.Bad("x ROLLED BACK")
	case client.Aborted:
		return f.Paint.Bad("x ABORTED")
	case client.AwaitingApproval:
		return f.Paint.wait("? AWAITING APPROVAL")
	case client.Holding:
		if r.Paused != nil {
			return f.Paint.wait("= PAUSED")
		}
		return f.Paint.wait("= HOLDING")
	case client.Pending:
		return f.Paint.wait("- PENDING")
	case client.Progressing:
		return f.Paint.good("> PROGRESSING")
	}
	return strings.ToUpper(string(r.Phase))
}

// age is how long the rollout has been, or was, under way.
func (f Frame) age(r *client.Rollout) time.Duration {
	from, to := r.StartedAt, r.EndedAt
	if from.IsZero() {
		from = r.CreatedAt
	}
	if to.IsZero() {
		to = f.Now
	}
	return to.Sub(from)
}

// alarms are what nobody may overlook.
func (f Frame) alarms(r *client.Rollout) []string {
	var out []string
	add := func(paint func(string) string, word, text string) {
		for i, line := range wrap(text, f.Width-len(word)-3, 0) {
			if i == 0 {
				out = append(out, paint(" "+word+" ")+" "+line)
				continue
			}
			out = append(out, strings.Repeat(" ", len(word)+3)+line)
		}
	}
	final := client.Final(r.Phase)
	if r.Unguarded != "" {
		add(f.Paint.Alarm, "UNGUARDED", r.Unguarded)
	}
	if t := r.Traffic; t != nil && t.CutOff != nil {
		add(f.Paint.Alarm, "CUT OFF", Clock(t.CutOff.At, f.Now)+" "+t.CutOff.Detail)
	}
	if r.Trouble != "" {
		add(f.Paint.Alarm, "TROUBLE", r.Trouble)
	}
	if x := r.Fault; x != nil && !final {
		add(f.Paint.Alarm, "FAULT", x.Reason+" since "+Clock(x.Since, f.Now))
	}
	for _, x := range r.Resources {
		if x.Missing != "" && !final {
			add(f.Paint.wait, "NOT MEASURED", x.Gate+": "+x.Missing)
		}
	}
	if x := r.SampleRatio; x != nil && x.Mismatch && !final {
		add(f.Paint.Alarm, "SAMPLE RATIO", "the arms do not get the shares that were asked for: no comparison can be trusted")
	}
	if x := r.Paused; x != nil && !final {
		add(f.Paint.wait, "PAUSED", "by "+x.By+" at "+Clock(x.At, f.Now)+because(x.Reason)+"; it is guarded all the same")
	}
	if len(r.Waived) > 0 {
		add(f.Paint.wait, "OVERRIDDEN", strings.Join(r.Waived, ", "))
	}
	return out
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// ladder shows the stages, and how far the present one is.
func (f Frame) ladder(r *client.Rollout) string {
	parts := make([]string, len(r.Ladder))
	for i, s := range r.Ladder {
		parts[i] = f.step(r, i, Percent(s.AskedPercent))
	}
	return strings.Join(parts, " > ")
}

func (f Frame) step(r *client.Rollout, i int, name string) string {
	here := r.Stage.Index
	switch {
	case r.Phase == client.Completed || i < here && r.Phase != client.Pending:
		return f.Paint.good(name + " ok")
	case i > here || r.Phase == client.Pending:
		return f.Paint.quiet(name)
	case r.Phase == client.RolledBack:
		return f.Paint.Bad(name + " ROLLED BACK")
	case r.Phase == client.Aborted:
		return f.Paint.Bad(name + " ABORTED")
	}
	return "[" + f.Paint.head(name) + " " + progress(r) + "]"
}

// progress is the dwell as a bar.
func progress(r *client.Rollout) string {
	const cells = 10
	s := r.Stage
	if s.LeftSeconds <= 0 || s.DwellSeconds <= 0 {
		return strings.Repeat("#", cells) + "  dwell over"
	}
	done := int(cells * (s.DwellSeconds - s.LeftSeconds) / s.DwellSeconds)
	done = max(0, min(cells-1, done))
	return strings.Repeat("#", done) + strings.Repeat(".", cells-done) + "  " + Span(seconds(s.LeftSeconds)) + " left"
}

// traffic is what the data plane does, and how fresh the evidence is.
func (f Frame) traffic(r *client.Rollout) []string {
	var parts []string
	if f.PerSecond > 0 {
		parts = append(parts, fmt.Sprintf("traffic %s/s", trimmed(f.PerSecond, 0)))
	}
	if t := r.Traffic; t != nil {
		parts = append(parts, f.weight(r, t))
		if !client.Final(r.Phase) || t.Candidate.State != "unknown" { // After the end nobody looks any more.
			parts = append(parts, f.health(r.Baseline.Version, t.Baseline), f.health(r.Candidate.Version, t.Candidate))
		}
	}
	if x := r.SampleRatio; x != nil && !x.Mismatch {
		parts = append(parts, "sample ratio ok")
	}
	if !client.Final(r.Phase) && r.Phase != client.Pending {
		parts = append(parts, f.fresh(seconds(r.EvidenceAgeSeconds)))
	}
	if n := guards(r); n > 0 && r.Unguarded == "" && !client.Final(r.Phase) {
		parts = append(parts, "guarded by "+Things(n, "gate"))
	}
	return flow(parts, f.Width)
}

// weight is the candidate's share in force, and the measured one beside it.
func (f Frame) weight(r *client.Rollout, t *client.Traffic) string {
	if client.Final(r.Phase) && r.Phase != client.Completed {
		return "candidate " + Percent(t.WeightPercent)
	}
	out := "candidate " + Percent(t.WeightPercent)
	if t.WeightPercent != r.Stage.WeightPercent && r.Phase != client.Completed && r.Phase != client.Pending {
		return f.Paint.Bad(out + " (asked " + Percent(r.Stage.WeightPercent) + ")")
	}
	if share, ok := measured(r); ok {
		out += " (" + trimmed(share, 2) + "% measured)"
	}
	return out
}

// measured is the share of requests that reached the candidate at this stage,
// in percent.
func measured(r *client.Rollout) (float64, bool) {
	for _, g := range r.Gates {
		if g.Gate == "error_rate" && g.Here.CandidateExposures > 0 {
			return 100 * g.Here.CandidateExposures / (g.Here.CandidateExposures + g.Here.BaselineExposures), true
		}
	}
	return 0, false
}

func (f Frame) health(version string, h client.Health) string {
	text := version + " " + string(h.State)
	if h.State == "ready" || h.State == "unknown" {
		return text
	}
	if h.Error != "" {
		text += " (" + h.Error + ")"
	}
	return f.Paint.Bad(text)
}

// fresh says how old the evidence is; old evidence is no evidence.
func (f Frame) fresh(age time.Duration) string {
	text := "data " + Span(age) + " old"
	if age > 10*time.Second {
		return f.Paint.Bad(text)
	}
	return text
}

func guards(r *client.Rollout) int {
	n := 0
	for _, g := range r.Gates {
		if !g.Info && !g.Holds && g.Verdict != client.Off {
			n++
		}
	}
	return n
}

// exposure is what callers have had of the candidate.
func (f Frame) exposure(r *client.Rollout) string {
	e := r.Exposure
	out := "exposed " + Things(e.Requests, "request")
	if e.Units > 0 {
		out += ", " + Things(e.Units, "unit")
	}
	var more []string
	if e.Shielded > 0 {
		more = append(more, Count(e.Shielded)+" answered by the baseline instead")
	}
	if e.Pinned > 0 {
		more = append(more, Count(e.Pinned)+" pinned")
	}
	if e.Unitless > 0 {
		more = append(more, Count(e.Unitless)+" without a unit")
	}
	if o := r.Outcomes; o != nil && o.Accepted+o.Waiting+o.Unattributed+o.Refused > 0 {
		more = append(more, Things(o.Accepted, "outcome"))
		if o.Waiting > 0 {
			more = append(more, Count(o.Waiting)+" waiting for their horizon")
		}
		if o.Unattributed > 0 {
			more = append(more, Count(o.Unattributed)+" unattributed")
		}
	}
	if len(more) > 0 {
		out += "; " + strings.Join(more, ", ")
	}
	return out
}

// next is what happens next, or how it ended.
func (f Frame) next(r *client.Rollout) []string {
	var out []string
	if e := r.Ending; e != nil {
		out = append(out, wrap(Ending(e), f.Width, 0)...)
	}
	if r.Next == "" {
		return out
	}
	for i, line := range wrap(r.Next, f.Width-5, 0) {
		if i == 0 {
			out = append(out, f.Paint.head("NEXT")+" "+line)
			continue
		}
		out = append(out, "     "+line)
	}
	return out
}

// Ending says how fast the traffic followed the last decision.
func Ending(e *client.Ending) string {
	text := "traffic not confirmed yet"
	if ms := e.ConfirmedAfterMilliseconds; ms != nil {
		text = "traffic confirmed " + trimmed(*ms, 1) + " ms after the decision"
	}
	if ms := e.LastRequestAfterMilliseconds; ms != nil {
		text += "; the candidate's last request began "
		if *ms == 0 {
			return text + "before it"
		}
		return text + trimmed(*ms, 1) + " ms after it"
	}
	return text
}

// decision is one line of the log, as long as it needs to be.
func (f Frame) decision(d *client.DecisionHead) []string {
	head := fmt.Sprintf("%s #%d ", Clock(d.At, f.Now), d.Seq)
	var out []string
	for i, line := range wrap(d.Sentence, f.Width-2, width(head)-2) {
		if i == 0 {
			out = append(out, f.Paint.quiet(head)+f.kind(d.Kind, line))
			continue
		}
		out = append(out, "  "+line)
	}
	return out
}

// kind colours the word that a sentence begins with.
func (f Frame) kind(k client.DecisionKind, sentence string) string {
	word, rest, _ := strings.Cut(sentence, " ")
	switch k {
	case client.DecisionRollback:
		word = f.Paint.Bad(word)
	case client.DecisionAdvance, client.DecisionComplete:
		word = f.Paint.good(word)
	case client.DecisionHold, client.DecisionAsk:
		word = f.Paint.wait(word)
	}
	return strings.TrimSuffix(word+" "+rest, " ")
}
