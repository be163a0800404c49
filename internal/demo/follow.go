package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// follower tells what a rollout goes through, one line for each change that a reader would want to know of.
type follower struct {
	say *narrator
	// seq is the last decision that was told.
	seq int64
	// held is the last hold that was told; its repetitions are not.
	held client.DecisionHead
	// verdicts are those that were told, by gate.
	verdicts map[string]client.Verdict
	// last is how the rollout stood.
	last client.Rollout
	// began is when the first event came, and asked whether it has been told that the candidate is waited for.
	began time.Time
	asked bool
}

// patience is how long a candidate may take to be found ready until that is told.
const patience = 2 * time.Second

// take tells what is new in an event.
func (f *follower) take(e client.Event) {
	if f.began.IsZero() {
		f.began = time.Now()
	}
	if e.Decision != nil {
		f.decision(*e.Decision)
	}
	if e.Status == nil {
		return
	}
	// A stream begins with how things stand; decisions before that come in no event of their own.
	if head := e.Status.Last; head != nil {
		f.decision(*head)
	}
	if e.Status.Phase == client.Pending && !f.asked && time.Since(f.began) >= patience {
		f.asked = true
		f.say.say(faint, e.Status.Next)
	}
	f.gates(e.Status)
	f.last = *e.Status
	f.say.status(bottomLine(e.Status))
}

// untold are holds that are part of every rollout: until its candidate is ready, and for the dwell of each stage.
var untold = []string{"CandidateNotReady", "Dwelling"}

// decision tells a decision in its own sentence, but not a hold that is part of every rollout or only repeats itself.
func (f *follower) decision(d client.DecisionHead) {
	if d.Seq <= f.seq {
		return
	}
	f.seq = d.Seq
	s := plain
	switch d.Kind {
	case client.DecisionHold:
		if slices.Contains(untold, d.Reason) || d.Reason == f.held.Reason && d.Gate == f.held.Gate {
			return
		}
		f.held = d
		s = faint
	case client.DecisionRollback:
		s = bad
	case client.DecisionComplete:
		s = good
	case client.DecisionAdvance, client.DecisionAsk:
		f.held = client.DecisionHead{}
	}
	f.say.say(s, d.Sentence)
}

// gates tells the verdicts when one of them was proven, or is proven no more.
func (f *follower) gates(r *client.Rollout) {
	proven := func(v client.Verdict) bool { return v == client.Pass || v == client.Fail }
	told := false
	parts := make([]string, len(r.Gates))
	next := map[string]client.Verdict{}
	for i, g := range r.Gates {
		before := f.verdicts[g.Gate]
		told = told || before != g.Verdict && (proven(before) || proven(g.Verdict))
		next[g.Gate] = g.Verdict
		parts[i] = g.Gate + " " + f.verdict(g.Verdict)
	}
	f.verdicts = next
	if told && !client.Final(r.Phase) {
		f.say.say(plain, fmt.Sprintf("  gates at %s: %s", percent(r.Stage.AskedPercent), strings.Join(parts, ", ")))
	}
}

func (f *follower) verdict(v client.Verdict) string {
	switch v {
	case client.Pass:
		return f.say.paint(good, "PASS")
	case client.Fail:
		return f.say.paint(bad, "FAIL")
	case client.Undecided, client.NoData, client.Off:
	}
	return string(v)
}

// bottomLine is how a rollout stands, in one line.
func bottomLine(r *client.Rollout) string {
	if client.Final(r.Phase) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s  %s exposed", r.Candidate.Version, percent(r.Stage.AskedPercent),
		bar(r.Stage.ServedSeconds, r.Stage.DwellSeconds), thousands(r.Exposure.Requests))
	for _, g := range r.Gates {
		fmt.Fprintf(&b, "  %s", g.Gate)
		seen := g.Total.CandidateExposures > 0 && g.Total.BaselineExposures > 0
		if seen && g.Bound != nil && g.Bound.Baseline != nil && g.Bound.Candidate != nil {
			fmt.Fprintf(&b, " %s/%s", level(string(g.Kind), *g.Bound.Candidate), level(string(g.Kind), *g.Bound.Baseline))
		}
	}
	return b.String()
}

// level writes what a metric is at: a rate, or a latency.
func level(kind string, v float64) string {
	if kind == "quantile" {
		return fmt.Sprintf("%.0fms", v*1000)
	}
	return fmt.Sprintf("%.1f%%", v*100)
}

// bar draws how much of a dwell has passed.
func bar(served, of float64) string {
	const cells = 10
	full := cells
	if of > 0 && served < of {
		full = int(cells * served / of)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "]"
}
