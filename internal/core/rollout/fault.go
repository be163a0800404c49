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
	case d.quiet() >= quietAfter:
		return ReasonNoTraffic, d.noTrafficSentence(), true
	case d.silent():
		return ReasonCandidateSilent, d.silentSentence(), true
	}
	return "", "", false
}

// sampleRatio is the largest e-value of a mismatch, in logs, over the stages.
func (d *deciding) sampleRatio() float64 {
	s := &d.next
	logs := gate.SampleRatio(view(d.Plan, s, d.Evidence), s.Weights(), len(d.Plan.Stages))
	return slices.Max(logs)
}

// quiet is how long the model has had no request.
func (d *deciding) quiet() time.Duration {
	last := d.Traffic.LastRequest
	if last.Before(d.next.StageAt) {
		last = d.next.StageAt
	}
	return d.Now.Sub(last)
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
	n := float64(d.Traffic.SinceCandidate)
	if d.Plan.Layout.Clustered {
		n = d.unitsWithoutCandidate()
	}
	return n*-math.Log1p(-w) > -math.Log(silenceChance)
}

// unitsWithoutCandidate is how many units the baseline has seen in this stratum
// while the candidate has seen none.
func (d *deciding) unitsWithoutCandidate() float64 {
	i := len(d.next.Strata) - 1
	if i < 0 || i >= len(d.Evidence.Strata) {
		return 0
	}
	s := d.Evidence.Strata[i]
	if s.Sides[split.Candidate].Units.At(s.Kept) > 0 || s.Sides[split.Candidate].Requests > 0 {
		return 0
	}
	return float64(s.Sides[split.Baseline].Units.At(s.Kept))
}

// faulted does what the plan says about a fault.
func (d *deciding) faulted(reason Reason, sentence string) Decision {
	if d.onFault(reason) == spec.FaultRollback {
		return d.end(KindRollback, RolledBack, reason, "ROLLBACK"+sentence)
	}
	since := d.next.Fault.Since
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
	}
	return spec.FaultHold
}
