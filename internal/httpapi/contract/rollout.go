// Package contract turns what the engine says into the types of the API: the
// one place where fields of the one become fields of the other.
//
// It is pure, and it leaves out what must stay inside: salts and numbers of
// rollouts, with which a caller could choose an arm, and the words of errors
// that nobody outside can act on. What JSON cannot say (infinite, not a number)
// is left out or bounded, as the contract describes field by field.
package contract

import (
	"math"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Rollout turns a status of the engine into one of the contract. The salt and
// the number of a rollout stay inside: who knows them can choose an arm.
func Rollout(st *command.Status) api.Rollout {
	rec, plan, state := &st.Record, &st.Record.Plan, &st.Record.State
	out := api.Rollout{
		SchemaVersion: spec.APIVersion,
		Name:          rec.Name, Model: rec.Model, Policy: plan.Policy, Environment: plan.Environment,
		Baseline: versionOf(plan.Baseline), Candidate: versionOf(plan.Candidate),
		Attempt: st.Attempt, Revision: rec.Revision, Phase: api.Phase(state.Phase),
		CreatedAt: utc(rec.CreatedAt), CreatedBy: rec.CreatedBy, StartedAt: utc(state.StartedAt), EndedAt: utc(state.EndedAt),
		Unguarded: st.Unguarded, Stage: stageOf(st), Ladder: ladderOf(plan),
		Gates: gatesOf(st), Segments: segmentsOf(st), Traffic: trafficOf(&st.Traffic),
		Exposure: exposureOf(st.Exposure), SampleRatio: sampleRatioOf(st.SampleRatio), Outcomes: outcomesOf(st.Outcomes),
		Resources:          resourcesOf(st.Resources),
		EvidenceAgeSeconds: st.EvidenceAge.Seconds(), Next: st.Next, Trouble: st.Trouble,
		Failed: state.Failed, Waived: state.Waived, Last: headOf(rec.Last), Ending: endingOf(rec.Ending),
	}
	if p := state.Paused; p != nil {
		out.Paused = &api.Pause{By: p.By, Reason: p.Reason, At: utc(p.At)}
	}
	if f := state.Fault; f != nil {
		out.Fault = &api.Fault{Reason: string(f.Reason), Since: utc(f.Since)}
	}
	return out
}

func versionOf(v rollout.Version) api.Version { return api.Version{Version: v.Name, URL: v.URL} }

func stageOf(st *command.Status) api.Stage {
	s := &st.Stage
	return api.Stage{
		Index: s.Index, Of: s.Of,
		AskedPercent: percent(s.Asked), WeightPercent: percent(s.Weight), EffectivePercent: percent(s.Effective),
		DwellSeconds: s.Dwell.Seconds(), ServedSeconds: s.Served.Seconds(), LeftSeconds: s.Left.Seconds(),
		MaxDurationSeconds: s.MaxDuration.Seconds(), MinSamples: count(s.MinSamples),
		Require: api.Requirement(s.Require), EnteredAt: utc(st.Record.State.StageAt),
	}
}

func ladderOf(p *rollout.Plan) []api.Step {
	out := make([]api.Step, len(p.Stages))
	for i, s := range p.Stages {
		out[i] = api.Step{
			AskedPercent: percent(s.Asked()), HoldbackPercent: percent(s.Holdback),
			DwellSeconds: s.Dwell.Seconds(), MaxDurationSeconds: s.MaxDuration.Seconds(),
			MinSamples: count(s.MinSamples), Require: api.Requirement(s.Require),
		}
	}
	return out
}

func trafficOf(t *traffic.Observation) *api.Traffic {
	out := &api.Traffic{
		Generation: count(t.Generation), WeightPercent: percent(t.Weight),
		Baseline: healthOf(t.Baseline), Candidate: healthOf(t.Candidate),
		InFlight: t.InFlight, LastRequestAt: utc(t.LastRequest), SinceCandidate: count(t.SinceCandidate),
	}
	if c := t.CutOff; c != nil {
		out.CutOff = &api.CutOff{At: utc(c.At), Reason: c.Reason, Detail: c.Detail}
	}
	return out
}

func healthOf(h traffic.Health) api.Health {
	state := api.HealthState(h.State)
	if state == "" {
		state = api.HealthStateUnknown
	}
	return api.Health{State: state, Since: utc(h.Since), Error: h.Error}
}

func exposureOf(e command.Exposure) api.Exposure {
	return api.Exposure{
		Requests: count(e.Requests), Units: count(e.Units),
		Shielded: count(e.Shielded), Pinned: count(e.Pinned), Unitless: count(e.Unitless),
	}
}

func sampleRatioOf(r command.SampleRatio) *api.SampleRatio {
	return &api.SampleRatio{LogE: logOf(r.LogE), Threshold: logOf(r.Threshold), Mismatch: r.Mismatch}
}

func resourcesOf(list []command.ResourceStatus) []api.Resource {
	var out []api.Resource
	for _, r := range list {
		one := api.Resource{Gate: r.Gate, Windows: count(r.Windows), CompleteAt: utc(r.Complete), Missing: r.Missing}
		for why, n := range r.Dropped {
			if one.Dropped == nil {
				one.Dropped = map[string]int64{}
			}
			one.Dropped[string(why)] = count(n)
		}
		out = append(out, one)
	}
	return out
}

func outcomesOf(c ledger.Counters) *api.OutcomeCounts {
	out := &api.OutcomeCounts{
		Accepted: count(c.Accepted), Repeated: count(c.Repeated),
		Unattributed: count(c.Unattributed), Refused: count(c.Refused), Waiting: count(c.Waiting),
	}
	for why, n := range c.Why {
		if out.Why == nil {
			out.Why = map[string]int64{}
		}
		out.Why[string(why)] = count(n)
	}
	return out
}

// headOf is nil before the first decision.
func headOf(h store.Head) *api.DecisionHead {
	if h.Seq == 0 {
		return nil
	}
	return &api.DecisionHead{
		Seq: h.Seq, At: utc(h.At), Kind: api.DecisionKind(h.Kind), Reason: string(h.Reason),
		Gate: h.Gate, Sentence: h.Sentence, Hash: h.Hash,
	}
}

func endingOf(e *store.Ending) *api.Ending {
	if e == nil {
		return nil
	}
	out := &api.Ending{
		DecidedAt: utc(e.DecidedAt), SwappedAt: utc(e.SwappedAt), ConfirmedAt: utc(e.ConfirmedAt),
		LastStartedAt: utc(e.LastStarted), LastFinishedAt: utc(e.LastFinished),
	}
	if !e.ConfirmedAt.IsZero() {
		out.ConfirmedAfterMilliseconds = after(e.DecidedAt, e.ConfirmedAt)
	}
	if !e.LastStarted.IsZero() {
		out.LastRequestAfterMilliseconds = after(e.DecidedAt, e.LastStarted)
	}
	return out
}

// after is the time from a to b in milliseconds, 0 when b came first.
func after(a, b time.Time) *float64 {
	ms := max(0, float64(b.Sub(a))/float64(time.Millisecond))
	return &ms
}

// percent turns a weight into percent.
func percent(weight uint32) float64 { return float64(weight) * 100 / split.Whole }

// count turns a count into what JSON numbers hold.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// utc keeps a zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// maxLog bounds logarithms, because JSON knows no infinity.
const maxLog = 1e6

func logOf(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return max(-maxLog, min(maxLog, x))
}

// finite is nil for what JSON cannot say: not a number, or not bounded.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
