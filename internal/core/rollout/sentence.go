package rollout

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// The sentences of decisions. Each says what, where and why with the numbers it
// rests on, so that the reader can act without opening anything else.

// at names the current stage by its weight, as the user wrote it.
func (d *deciding) at() string { return Weight(d.stage().Asked()) }

// Weight writes a weight out of split.Whole: 1%, 0.5%, 100%.
func Weight(w uint32) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", float64(w)*100/split.Whole), "0"), ".") + "%"
}

// gateSentence says what a failed gate has proven. What was said when it failed
// is not worked out again at every tick for as long as it stands.
func (d *deciding) gateSentence(verb string, c charge) string {
	g, j := c.gate, c.judgement
	v := c.view(d.Plan, &d.State, d.Evidence)
	if slices.Contains(d.State.Failed, c.name()) {
		return fmt.Sprintf("%s at %s: %s was proven to be beyond %s and stays so; it is at %s.%s %s.", verb, d.at(), c.name(), limitText(g, j), compared(g, j, g.Levels(v, j)), d.caveat(g), d.exposed())
	}
	b := g.Bound(v, j, place(d.Plan, &d.State))
	return fmt.Sprintf("%s at %s: %s %s: %s.%s %s.", verb, d.at(), c.name(), compared(g, j, b), d.proven(g, j, b), d.caveat(g), d.exposed())
}

// caveat is a sentence on what a gate cannot tell, after a space; empty for none.
func (d *deciding) caveat(g *gate.Gate) string {
	text := d.Plan.Caveat(g)
	if text == "" {
		return ""
	}
	return " " + strings.ToUpper(text[:1]) + text[1:] + "."
}

// compared writes both arms: "7.9% (38 of 481) against 1.0% (45 of 4,329)". The
// counts are the stage's, where it has most of them. Else they are those of all
// stages, and then the baseline's rate is weighted like the candidate's requests:
// totals over several weights cannot be compared.
func compared(g *gate.Gate, j *gate.Judgement, b gate.Bound) string {
	switch g.Kind {
	case gate.Quantile:
		return fmt.Sprintf("%s (%s requests) against %s (%s)", seconds(b.Candidate), count(j.Total.NT), seconds(b.Baseline), count(j.Total.NC))
	case gate.Gauge:
		return fmt.Sprintf("%s against %s on average of %s windows", amount(b.Candidate), amount(b.Baseline), count(j.Total.NT))
	case gate.Mean:
		return fmt.Sprintf("%s (%s %s) against %s (%s)", figure(b.Candidate), count(j.Total.NT), observations(g), figure(b.Baseline), count(j.Total.NC))
	case gate.Drift:
		return fmt.Sprintf("%s apart (%s values against %s)", figure(b.Estimate), count(j.Here.NT), count(j.Here.NC))
	case gate.Rate:
	}
	if c := j.Here; c.NT > 0 && c.NC > 0 && 2*c.NT >= j.Total.NT || c == j.Total {
		return counted(g, c.KT, c.NT) + " against " + counted(g, c.KC, c.NC)
	}
	return fmt.Sprintf("%s in all stages against %s at the same weights", counted(g, j.Total.KT, j.Total.NT), plain(b.Baseline))
}

// observations are what a mean is over.
func observations(g *gate.Gate) string {
	if g.Outcome {
		return "reports"
	}
	return "values"
}

// counted writes the events of the metric itself: "7.9% (38 of 481)".
func counted(g *gate.Gate, k, n float64) string {
	if g.Complement {
		k = n - k
	}
	return fmt.Sprintf("%s (%s of %s)", share(k, n), count(k), count(n))
}

// proven says how much harm is proven, and by what.
func (d *deciding) proven(g *gate.Gate, j *gate.Judgement, b gate.Bound) string {
	if j.Reason == gate.CeilingBroken {
		return fmt.Sprintf("beyond %s (anytime-valid at this gate's share of alpha %s)", limitText(g, j), plain(d.Plan.Alpha))
	}
	if j.Verdict != gate.Fail {
		return fmt.Sprintf("its evidence and that of the other gates together reach 1/alpha at margin %s (alpha %s)", g.MarginText(), plain(d.Plan.Alpha))
	}
	return fmt.Sprintf("at least %s, margin %s (anytime-valid at this gate's share of alpha %s)", changeText(g, b, b.AtLeast(g)), g.MarginText(), plain(d.Plan.Alpha))
}

func changeText(g *gate.Gate, b gate.Bound, x float64) string {
	switch {
	case g.Kind == gate.Drift:
		return figure(x)
	case b.Relative:
		return gate.Percent(x)
	}
	return gate.Points(x)
}

// limitText is what a failed gate is beyond.
func limitText(g *gate.Gate, j *gate.Judgement) string {
	if j.Reason != gate.CeilingBroken {
		return "its margin " + g.MarginText()
	}
	texts := make([]string, len(g.Ceilings))
	for i, c := range g.Ceilings {
		texts[i] = c.Text
	}
	return "its ceiling " + strings.Join(texts, ", ")
}

// exposed says how many requests and units the candidate has served.
func (d *deciding) exposed() string {
	requests := d.Evidence.Exposed(split.Candidate)
	if !d.Plan.Layout.Clustered {
		return fmt.Sprintf("Exposed: %s requests", count(float64(requests)))
	}
	var units uint64
	for _, s := range d.Evidence.Strata {
		// A unit that comes back in a later stage is the same unit, and the
		// candidate never loses one, so the largest stratum counts them all best.
		units = max(units, s.Sides[split.Candidate].Units.Estimate(s.Kept))
	}
	return fmt.Sprintf("Exposed: %s requests, %s units", count(float64(requests)), count(float64(units)))
}

func (d *deciding) cutOffSentence() string {
	return fmt.Sprintf("ROLLBACK at %s: the router cut the candidate off: %s. %s.", d.at(), d.Traffic.CutOff.Detail, d.exposed())
}

func (d *deciding) deadSentence() string {
	return fmt.Sprintf("ROLLBACK at %s: the candidate is dead: %s. %s.", d.at(), d.Traffic.Dead, d.exposed())
}

func (d *deciding) personSentence(verb string) string {
	where := "before its first traffic"
	if d.State.Phase != Pending {
		where = "at " + d.at()
	}
	return fmt.Sprintf("%s %s by %s%s. %s.", verb, where, d.Act.By, because(d.Act.Reason), d.exposed())
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func (d *deciding) recoveredSentence() string {
	return fmt.Sprintf("ROLLBACK at %s: finished after a restart; the traffic had been put back before the decision was stored%s. %s.", d.at(), because(d.Act.Reason), d.exposed())
}

func (d *deciding) endedSentence() string {
	return fmt.Sprintf("The rollout is %s since %s; a rollout runs once.", d.State.Phase, stamp(d.State.EndedAt))
}

func (d *deciding) startSentence() string {
	return fmt.Sprintf("START at %s: the candidate is ready.", d.at())
}

func (d *deciding) notReadySentence() string {
	why := "its readiness is not known yet"
	if d.Traffic.Error != "" {
		why = d.Traffic.Error
	}
	return fmt.Sprintf("HOLD before the first traffic: the candidate is not ready: %s.", why)
}

func (d *deciding) advanceSentence(waived bool) string {
	next := Weight(d.Plan.Stages[d.next.Stage+1].Asked())
	return fmt.Sprintf("ADVANCE %s -> %s: %s.", d.at(), next, d.shown(waived))
}

func (d *deciding) completeSentence(waived bool) string {
	return fmt.Sprintf("COMPLETE: %s serves everything: %s. %s.", d.Plan.Candidate.Name, d.shown(waived), d.exposed())
}

// shown says what the evidence has shown at the end of a stage.
func (d *deciding) shown(waived bool) string {
	if d.promoting() {
		return d.onWord(waived)
	}
	if d.comparesNothing() {
		return "nothing is compared at this stage"
	}
	var within, harmless []string
	for i := range d.Judgements {
		switch {
		case !d.counts(i):
		case d.Judgements[i].Verdict == gate.Pass:
			within = append(within, d.named(i))
		default:
			harmless = append(harmless, d.named(i))
		}
	}
	var parts []string
	if len(within) > 0 {
		parts = append(parts, strings.Join(within, ", ")+" proven within margin")
	}
	if len(harmless) > 0 {
		parts = append(parts, "no harm proven in "+strings.Join(harmless, ", "))
	}
	if len(parts) == 0 {
		return "no gate is active at this stage"
	}
	return strings.Join(parts, "; ") + d.inStage()
}

// named is the name of a gate, with what it cannot tell.
func (d *deciding) named(i int) string {
	g := &d.Plan.Gates[i]
	if text := d.Plan.Caveat(g); text != "" {
		return g.Name + " (" + text + ")"
	}
	return g.Name
}

// inStage counts the candidate's samples of the stage.
func (d *deciding) inStage() string {
	n := math.Inf(1)
	for i := range d.Judgements {
		if d.counts(i) {
			n = min(n, d.Judgements[i].Here.NT)
		}
	}
	if math.IsInf(n, 1) {
		return ""
	}
	return fmt.Sprintf(" (%s candidate samples in the stage)", count(n))
}

func (d *deciding) onWord(waived bool) string {
	text := "promoted by " + d.Act.By + because(d.Act.Reason)
	if d.Act.Override {
		text += " (override)"
	}
	if waived {
		text += "; waived: " + strings.Join(d.next.Waived, ", ")
	}
	return text
}

func (d *deciding) pausedSentence() string {
	p := d.next.Paused
	return fmt.Sprintf("HOLD at %s: paused by %s since %s%s; still guarded.", d.at(), p.By, stamp(p.At), because(p.Reason))
}

func (d *deciding) dwellSentence(left time.Duration) string {
	return fmt.Sprintf("HOLD at %s: %s of %s served at this weight, %s left.", d.at(), brief(d.next.Served), brief(d.stage().Dwell), brief(left))
}

func (d *deciding) samplesSentence(i int, need float64) string {
	here := d.Judgements[i].Here
	return fmt.Sprintf("HOLD at %s: %s has %s candidate and %s baseline samples in the stage, %s of each are needed; the stage extends itself.",
		d.at(), d.Plan.Gates[i].Name, count(here.NT), count(here.NC), count(need))
}

func (d *deciding) requestsSentence(candidate, baseline uint64) string {
	return fmt.Sprintf("HOLD at %s: the stage has %s candidate and %s baseline requests, %s of each are needed; the stage extends itself.",
		d.at(), count(float64(candidate)), count(float64(baseline)), count(float64(d.stage().MinSamples)))
}

func (d *deciding) noDataSentence(i int) string {
	arm := "candidate"
	if d.Judgements[i].Reason == gate.NoBaselineData {
		arm = "baseline"
	}
	return fmt.Sprintf("HOLD at %s: %s has no data of the %s; no data never passes.", d.at(), d.Plan.Gates[i].Name, arm)
}

func (d *deciding) verdictSentence(i int) string {
	text := fmt.Sprintf("HOLD at %s: %s is %s", d.at(), d.Plan.Gates[i].Name, d.progress(i))
	if limit := d.deadline(); !limit.IsZero() {
		text += "; until " + stamp(limit) + " at the latest"
	}
	return text + "."
}

// progress says how far a verdict is from being proven.
func (d *deciding) progress(i int) string {
	j := &d.Judgements[i]
	if j.Reason == gate.OnlySuccesses {
		return "undecided: no failure was ever reported on either arm; report failures too (value 0)"
	}
	if t := d.stage().Tolerance; t > 0 && d.stage().Require == spec.NoHarm {
		return fmt.Sprintf("not proven within %s times its margin %s yet: e-value %s of %s", trimmed(t), d.Plan.Gates[i].MarginText(), eValue(j.LogWithin), eValue(-math.Log(d.Plan.Alpha)))
	}
	return fmt.Sprintf("not proven within %s yet: e-value %s of %s", d.Plan.Gates[i].MarginText(), eValue(j.LogPass), eValue(-math.Log(d.Plan.Alpha)))
}

func (d *deciding) undecidedSentence(i int) string {
	return fmt.Sprintf(" at %s: %s is still %s after %s at this stage.", d.at(), d.Plan.Gates[i].Name, d.progress(i), brief(d.Now.Sub(d.next.StageSince())))
}

func (d *deciding) strataSentence() string {
	return fmt.Sprintf("HOLD at %s: the rollout has used up its %d changes of weight.", d.at(), len(d.next.Strata))
}

func (d *deciding) notAtWeightSentence() string {
	if !d.Traffic.Known {
		return fmt.Sprintf(" at %s: the router cannot be asked for the weight in force.", d.at())
	}
	return fmt.Sprintf(" at %s: the router serves %s, asked is %s.", d.at(), Weight(d.Traffic.Weight), Weight(d.State.Weight()))
}

func (d *deciding) sampleRatioSentence() string {
	return fmt.Sprintf(" at %s: units reach the arms at another ratio than asked (e-value %s): the comparison cannot be trusted until the cause is found.", d.at(), eValue(d.sampleRatio()))
}

func (d *deciding) noTrafficSentence() string {
	return fmt.Sprintf(" at %s: no request to the model for %s.", d.at(), brief(max(d.quiet(), d.faulty(ReasonNoTraffic))))
}

func (d *deciding) silentSentence() string {
	n, _ := d.silence()
	what := "requests"
	if d.Plan.Layout.Clustered {
		what = "units"
	}
	return fmt.Sprintf(" at %s: the candidate gets nothing while the baseline took %s %s since; at this weight chance explains that less than once in a million times.", d.at(), count(n), what)
}

func (d *deciding) lastedSentence() string {
	return fmt.Sprintf(" It has lasted %s (holdFor %s).", brief(d.Now.Sub(d.next.Fault.Counted())), brief(d.Plan.Faults.HoldFor))
}
