package rollout

import (
	"math"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

const (
	// quietAfter is how long a model may go without any request.
	quietAfter = 5 * time.Minute
	// silenceChance is how unlikely a silence of the candidate must be at the
	// asked weight before it is a fault.
	silenceChance = 1e-6
)

// faults looks for faults in the data or the traffic. A fault is never a pass
// and never a fail, and it does not mask harm, which was looked for before.
func (d *deciding) faults() (Decision, bool) {
	reason, sentence, found := d.fault()
	if !found {
		d.next.Fault = nil
		return Decision{}, false
	}
	if f := d.next.Fault; f == nil || f.Reason != reason {
		d.next.Fault = &Fault{Reason: reason, Since: d.Now}
	}
	if d.overriding() && reason != ReasonNotAtWeight {
		return Decision{}, false
	}
	return d.faulted(reason, sentence), true
}

// fault names the first fault there is.
func (d *deciding) fault() (Reason, string, bool) {
	switch {
	case !d.atWeight():
		return ReasonNotAtWeight, d.notAtWeightSentence(), true
	case d.sampleRatio() >= gate.SampleRatioAt(len(d.Plan.Stages)):
		return ReasonSampleRatio, d.sampleRatioSentence(), true
	case d.quiet() >= quietAfter || d.lasts(ReasonNoTraffic, d.Traffic.LastRequest):
		return ReasonNoTraffic, d.noTrafficSentence(), true
	case d.silent():
		return ReasonCandidateSilent, d.silentSentence(), true
	}
	if _, _, down := d.down(); down {
		return ReasonSourceDown, d.sourceDownSentence(), true
	}
	return "", "", false
}

// sampleRatio is the largest e-value of a mismatch, in logs, over the stages.
func (d *deciding) sampleRatio() float64 {
	s := &d.next
	weights := s.Weights()
	clear(weights[:min(s.RatioFrom, len(weights))]) // A weight of 0 is not asked about.
	return slices.Max(gate.SampleRatio(view(d.Plan, s, d.Evidence), weights, len(d.Plan.Stages)))
}

// quiet is how long the model has had no request.
func (d *deciding) quiet() time.Duration {
	// A router that has just started remembers no request.
	return d.Now.Sub(d.since(d.Traffic.LastRequest))
}

// silent reports whether the candidate gets nothing while the baseline does,
// beyond what chance explains. Where units return, a candidate whose few units
// are away is not silent; it is when so many units came that one of them should
// have been the candidate's.
func (d *deciding) silent() bool {
	w := float64(d.next.Weight()) / split.Whole
	if w <= 0 || w >= 1 {
		return false
	}
	n, times := d.silence()
	return n*-math.Log1p(-w) > math.Log(times/silenceChance)
}

// silence is how many requests (units, where they return) the baseline took
// since the candidate's last in the stratum in force, and how many silences have
// begun in it: each of the candidate's requests began one, and the longest of
// them all must be no chance.
func (d *deciding) silence() (n, times float64) {
	i := len(d.next.Strata) - 1
	if i < 0 || i >= len(d.Evidence.Strata) || d.Evidence.Strata[i] == nil {
		return 0, 1
	}
	s := d.Evidence.Strata[i]
	candidate, baseline := &s.Sides[split.Candidate], &s.Sides[split.Baseline]
	if !d.Plan.Layout.Clustered {
		// Requests from before the stratum came at another weight.
		return float64(min(d.Traffic.SinceCandidate, baseline.Requests)), 1 + float64(candidate.Requests)
	}
	if candidate.Units.At(s.Kept) > 0 || candidate.Requests > 0 {
		return 0, 1
	}
	return float64(baseline.Units.At(s.Kept)), 1
}

// faulted does what the plan says about a fault.
func (d *deciding) faulted(reason Reason, sentence string) Decision {
	if d.onFault(reason) == spec.FaultRollback {
		return d.end(KindRollback, RolledBack, reason, "ROLLBACK"+sentence)
	}
	since := d.next.Fault.Counted()
	if lasted := d.Now.Sub(since); lasted < d.Plan.Faults.HoldFor {
		out := d.hold(Holding, reason, "HOLD"+sentence)
		out.Wake = since.Add(d.Plan.Faults.HoldFor)
		return out
	}
	switch d.Plan.Faults.Then {
	case spec.ThenRollback:
		return d.end(KindRollback, RolledBack, ReasonFaultLasted, "ROLLBACK"+sentence+d.lastedSentence())
	case spec.ThenAsk:
		return d.ask(reason, "ASK"+sentence+d.lastedSentence())
	case spec.ThenHold:
	}
	return d.hold(Holding, reason, "HOLD"+sentence+d.lastedSentence())
}

func (d *deciding) onFault(reason Reason) spec.OnFault {
	switch reason {
	case ReasonSampleRatio:
		return d.Plan.Faults.SampleRatio
	case ReasonNoTraffic, ReasonCandidateSilent:
		return d.Plan.Faults.NoTraffic
	case ReasonSourceDown:
		return d.Plan.Faults.SourceDown
	default:
		return spec.FaultHold
	}
}
