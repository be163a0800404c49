package command

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/judge"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
)

// Status returns one rollout with the bounds of its gates.
func (s *Service) Status(ctx context.Context, name string) (Status, error) {
	rec, err := s.find(ctx, name)
	if err != nil {
		return Status{}, err
	}
	live, err := s.live(ctx, rec)
	if err != nil {
		return Status{}, err
	}
	return s.status(&live, true), nil
}

// List returns rollouts, newest first, without bounds.
func (s *Service) List(ctx context.Context, q store.Query) ([]Status, error) {
	list, err := s.store.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list rollouts: %w", err)
	}
	out := make([]Status, 0, len(list))
	for _, rec := range list {
		status, err := s.light(ctx, rec)
		if err != nil {
			return nil, err
		}
		out = append(out, status)
	}
	return out, nil
}

// glance returns the status of a change, without bounds.
func (s *Service) glance(ctx context.Context, c controller.Change) (Status, error) {
	if live, ok := s.controller.Live(c.ID); ok {
		return s.status(&live, false), nil
	}
	rec, err := s.store.Rollout(ctx, c.Rollout)
	if err != nil {
		return Status{}, err
	}
	return s.light(ctx, rec)
}

// light returns a status without bounds. Those of rollouts that are over are
// remembered for as long as their evidence stays as it is.
func (s *Service) light(ctx context.Context, rec store.Rollout) (Status, error) {
	seen := s.ledger.Version(rec.ID)
	if status, ok := s.finals.get(rec, seen); ok {
		return status, nil
	}
	live, err := s.live(ctx, rec)
	if err != nil {
		return Status{}, err
	}
	status := s.status(&live, false)
	if _, running := s.controller.Live(rec.ID); !running && rec.State.Phase.Final() {
		s.finals.put(rec, seen, status)
	}
	return status, nil
}

// live returns a rollout as the loop sees it, or as it was left.
func (s *Service) live(ctx context.Context, rec store.Rollout) (controller.Live, error) {
	if live, ok := s.controller.Live(rec.ID); ok {
		return live, nil
	}
	ev, err := s.evidence(ctx, &rec)
	if err != nil {
		return controller.Live{}, err
	}
	return controller.Live{
		Record: rec, Findings: judge.Verdicts(&rec.Plan, rec.State, ev, nil),
		Decision: rollout.Decision{Kind: rec.Last.Kind, Reason: rec.Last.Reason, Gate: rec.Last.Gate, Sentence: rec.Last.Sentence, Next: rec.State},
	}, nil
}

// evidence returns what is known of a rollout that the loop does not look after.
func (s *Service) evidence(ctx context.Context, rec *store.Rollout) (*evidence.Evidence, error) {
	if ev, ok := s.ledger.Evidence(rec.ID); ok {
		return ev, nil
	}
	data, err := s.ledger.Stored(ctx, rec.ID)
	if err != nil || data == nil {
		return &evidence.Evidence{}, err
	}
	ev, err := ledger.Decode(&rec.Plan.Layout, data)
	if err != nil {
		return nil, fmt.Errorf("read the evidence of rollout %q: %w", rec.Name, err)
	}
	return ev, nil
}

// status makes what a person sees of a rollout.
func (s *Service) status(live *controller.Live, bounds bool) Status {
	rec, plan, state := live.Record, &live.Record.Plan, &live.Record.State
	ev := live.Findings.Evidence
	if ev == nil {
		ev = &evidence.Evidence{}
	}
	out := Status{
		Record: rec, Attempt: plan.Attempt, Unguarded: plan.Unguarded(state.Stage), Stage: stageStatus(live),
		Traffic: live.Traffic, Exposure: s.exposure(live, ev), Outcomes: s.ledger.Counters(rec.ID),
		Resources: resources(live), Next: next(live), Trouble: live.Trouble,
	}
	out.Record.Salt = 0
	if heard := s.ledger.Heard(); !heard.IsZero() && !state.Phase.Final() {
		out.EvidenceAge = time.Since(heard)
	}
	view := gate.View{Layout: &plan.Layout, Evidence: ev, Stages: state.Stages()}
	place := gate.Place{Stage: state.Stage, Stages: len(plan.Stages), Alpha: plan.Alpha}
	out.Gates = make([]GateStatus, len(live.Findings.Judgements))
	for i := range live.Findings.Judgements {
		j := &live.Findings.Judgements[i]
		out.Gates[i] = gateStatus(plan, state, &plan.Gates[i], j)
		out.Gates[i].Readings = plan.Gates[i].Readings(view)
		if bounds && j.Verdict != gate.Off {
			b := rollout.Bound(plan, *state, ev, j)
			out.Gates[i].Bound, out.Gates[i].Distribution = &b, plan.Gates[i].Distribution(view, place)
		}
	}
	out.Segments = segments(live, ev, bounds)
	out.SampleRatio.LogE, out.SampleRatio.Threshold = judge.SampleRatio(plan, *state, ev)
	out.SampleRatio.Mismatch = out.SampleRatio.LogE >= out.SampleRatio.Threshold
	return out
}

func resources(live *controller.Live) []ResourceStatus {
	out := make([]ResourceStatus, len(live.Resources))
	for i, s := range live.Resources {
		out[i] = ResourceStatus{Gate: s.Gauge, Windows: s.Windows, Dropped: s.Dropped, Complete: s.Complete, Missing: s.Missing}
	}
	return out
}

func stageStatus(live *controller.Live) StageStatus {
	plan, state := &live.Record.Plan, &live.Record.State
	stage := plan.Stages[state.Stage]
	out := StageStatus{
		Index: state.Stage, Of: len(plan.Stages), Weight: stage.Weight, Asked: stage.Asked(),
		Dwell: stage.Dwell, Served: state.Served, Left: max(stage.Dwell-state.Served, 0),
		MaxDuration: stage.MaxDuration, MinSamples: stage.MinSamples, Require: stage.Require,
	}
	switch {
	case state.Phase == rollout.Completed:
		out.Effective, out.Left = split.Whole, 0
	case state.Phase.Final():
		out.Effective, out.Left = 0, 0
	case live.Known:
		out.Effective = live.Traffic.Weight
	}
	return out
}

func gateStatus(plan *rollout.Plan, state *rollout.State, g *gate.Gate, j *gate.Judgement) GateStatus {
	stage := plan.Stages[state.Stage]
	out := GateStatus{
		Gate: g.Name, Verdict: j.Verdict, Reason: j.Reason, LogFail: j.LogFail, LogPass: j.LogPass,
		Threshold: g.FailAt(plan.Alpha), PassThreshold: gate.PassAt(plan.Alpha), Margin: g.MarginText(),
		Here: j.Here, Total: j.Total, Holds: g.Holds, Info: g.Info, GuardOnly: g.GuardOnly,
	}
	if g.From > 0 && g.From < len(plan.Stages) {
		out.From = plan.Stages[g.From].Asked()
	}
	if j.Verdict == gate.Off || g.Info || state.Phase.Final() || stage.Weight >= split.Whole {
		return out
	}
	here := j.Here.NT
	if g.Method != gate.None {
		here = min(here, j.Here.NC)
	}
	if missing := g.Needs(stage.MinSamples) - here; missing > 0 {
		out.NeedSamples = uint64(missing)
	}
	return out
}

// exposure counts what the candidate has served.
func (s *Service) exposure(live *controller.Live, ev *evidence.Evidence) Exposure {
	out := Exposure{Requests: ev.Exposed(split.Candidate), Pinned: live.Traffic.Pinned, Unitless: live.Traffic.Unitless}
	for _, stratum := range ev.Strata {
		side := &stratum.Sides[split.Candidate]
		out.Shielded += side.Shielded
		out.Units = max(out.Units, side.Units.Estimate(stratum.Kept))
	}
	if n := s.ledger.Exposed(live.Record.ID, split.Candidate); n > 0 {
		out.Units = n
	}
	return out
}

// maxFinals bounds the statuses of ended rollouts that are remembered.
const maxFinals = 2048

// finals remembers the statuses of rollouts that are over.
type finals struct {
	mu   sync.Mutex
	kept map[uint64]final
}

// final is a status and the version of the evidence that it was made of.
type final struct {
	status  Status
	version uint64
}

func (f *finals) get(rec store.Rollout, version uint64) (Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept, ok := f.kept[rec.ID]
	return kept.status, ok && kept.version == version && kept.status.Record.Revision == rec.Revision
}

func (f *finals) put(rec store.Rollout, version uint64, status Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil || len(f.kept) >= maxFinals {
		f.kept = map[uint64]final{}
	}
	f.kept[rec.ID] = final{status: status, version: version}
}
