package traffictest

import (
	"context"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// wakeRoom is how many unread wake-ups a Fake holds.
const wakeRoom = 64

// Fake is a traffic.Target that serves no traffic: a fake, for tests of what
// stands above the port. It routes the requests that a test names with Send as
// a real target would, and everything else about it is said by the test:
// health, cut-offs, batches, and applies that fail.
//
// It starts no goroutine and no timer; the time is whatever its clock says. It
// is safe for concurrent use, and passes the suite of this package.
type Fake struct {
	now func() time.Time

	mu       sync.Mutex
	table    *table.Table
	applied  []*table.Table
	attempts int
	failures []error
	deaf     bool
	rollouts map[uint64]*fakeRollout
	injected []evidence.Batch
	wake     chan uint64
}

// fakeRollout is what a Fake knows of one rollout.
type fakeRollout struct {
	seen      traffic.Observation
	layout    *evidence.Layout
	strata    map[uint8]*evidence.Stratum
	exposures map[uint8][]evidence.Exposure
	edit      func(*traffic.Observation)
}

var _ traffic.Target = (*Fake)(nil)

// NewFake returns a Fake that tells the time by now; nil means time.Now, which
// is virtual inside a testing/synctest bubble.
func NewFake(now func() time.Time) *Fake {
	if now == nil {
		now = time.Now
	}
	return &Fake{now: now, rollouts: map[uint64]*fakeRollout{}, wake: make(chan uint64, wakeRoom)}
}

// Apply implements traffic.Target. It fails as FailApply told it to.
func (f *Fake) Apply(ctx context.Context, t *table.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts++
	if len(f.failures) > 0 {
		err := f.failures[0]
		f.failures = f.failures[1:]
		return err
	}
	if f.table != nil && t.Generation < f.table.Generation {
		return problem.New(problem.Conflict, "routing table %d is older than table %d, which is in force", t.Generation, f.table.Generation)
	}
	f.applied = append(f.applied, t)
	if !f.deaf {
		f.install(t)
	}
	return nil
}

// install makes t the table in force.
func (f *Fake) install(t *table.Table) {
	f.table = t
	named := map[uint64]bool{}
	for _, route := range t.Routes {
		s := route.Split
		if s == nil {
			continue
		}
		named[s.Rollout] = true
		r := f.rollouts[s.Rollout]
		if r == nil {
			r = newFakeRollout(s.Layout)
			f.rollouts[s.Rollout] = r
		}
		r.seen.Stratum, r.seen.Weight = s.Stratum, s.Weight
	}
	for number := range f.rollouts {
		if !named[number] {
			delete(f.rollouts, number)
		}
	}
}

func newFakeRollout(l *evidence.Layout) *fakeRollout {
	ready := traffic.Health{State: traffic.Ready}
	return &fakeRollout{
		seen:   traffic.Observation{Baseline: ready, Candidate: ready},
		layout: l, strata: map[uint8]*evidence.Stratum{}, exposures: map[uint8][]evidence.Exposure{},
	}
}

// Observe implements traffic.Target.
func (f *Fake) Observe(ctx context.Context, rollout uint64) (traffic.Observation, error) {
	if err := ctx.Err(); err != nil {
		return traffic.Observation{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rollouts[rollout]
	if r == nil {
		return traffic.Observation{}, problem.New(problem.NotFound, "no rollout %d in the routing table", rollout)
	}
	o := r.seen
	o.Generation = f.table.Generation
	if o.CutOff != nil {
		o.Weight = 0
	}
	if r.edit != nil {
		r.edit(&o)
	}
	return o, nil
}

// Collect implements traffic.Target: what Send counted and Inject put in.
func (f *Fake) Collect(ctx context.Context) ([]evidence.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.injected
	f.injected = nil
	for number, r := range f.rollouts {
		out = append(out, r.drain(number)...)
	}
	return out, nil
}

func (r *fakeRollout) drain(number uint64) []evidence.Batch {
	var out []evidence.Batch
	for i, s := range r.strata {
		out = append(out, evidence.Batch{Rollout: number, Stratum: i, Delta: s, Exposures: r.exposures[i]})
	}
	clear(r.strata)
	clear(r.exposures)
	return out
}

// Wake implements traffic.Target.
func (f *Fake) Wake() <-chan uint64 { return f.wake }

// Send routes one request of a unit and reports the arm that took it. It
// counts as answered well, at once and in latency. It reports the baseline and
// counts nothing when no table in force knows the model.
func (f *Fake) Send(model, unit string, latency time.Duration) split.Arm {
	f.mu.Lock()
	defer f.mu.Unlock()
	route := f.route(model)
	if route == nil || route.Split == nil {
		return split.Baseline
	}
	s := route.Split
	r := f.rollouts[s.Rollout]
	h := s.Salt.Hash(unit)
	arm := split.Pick(h, s.Weight)
	diverted := arm == split.Candidate && r.seen.CutOff != nil
	if diverted {
		arm = split.Baseline
	}
	r.note(arm, f.now())
	if diverted {
		return arm
	}
	r.stratum(s).Observe(r.layout, evidence.Observation{Arm: arm, Bucket: h.Bucket(), Latency: latency})
	if r.layout.Clustered {
		r.exposures[s.Stratum] = append(r.exposures[s.Stratum], evidence.Exposure{Unit: h.Second, Arm: arm, Time: f.now()})
	}
	return arm
}

func (f *Fake) route(model string) *table.Route {
	if f.table == nil {
		return nil
	}
	for _, route := range f.table.Routes {
		if route.Model == model {
			return route
		}
	}
	return nil
}

func (r *fakeRollout) stratum(s *table.Split) *evidence.Stratum {
	if r.strata[s.Stratum] == nil {
		r.strata[s.Stratum] = evidence.NewStratum(r.layout)
		r.strata[s.Stratum].Edges = s.Edges
	}
	return r.strata[s.Stratum]
}

// note keeps the moments of a request that begins and ends now.
func (r *fakeRollout) note(arm split.Arm, now time.Time) {
	r.seen.LastRequest = now
	if arm == split.Baseline {
		r.seen.SinceCandidate++
		return
	}
	r.seen.Started, r.seen.Finished, r.seen.SinceCandidate = now, now, 0
}

// Inject adds batches to the next Collect, as if a data plane had seen them.
func (f *Fake) Inject(batches ...evidence.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.injected = append(f.injected, batches...)
}

// Requests notes that requests reached the arm now, for the moments and the
// silence that Observe tells. It adds no evidence; use Inject for that.
func (f *Fake) Requests(rollout uint64, arm split.Arm, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rollouts[rollout]
	if r == nil || n == 0 {
		return
	}
	r.note(arm, f.now())
	if arm == split.Baseline {
		r.seen.SinceCandidate += n - 1
	}
}

// SetHealth says what the probes of an arm find from now on. Every arm is
// ready until told otherwise.
func (f *Fake) SetHealth(rollout uint64, arm split.Arm, h traffic.Health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rollouts[rollout]
	if r == nil {
		return
	}
	if arm == split.Candidate {
		r.seen.Candidate = h
		return
	}
	r.seen.Baseline = h
}

// CutOff takes the candidate of a rollout out of the traffic, as a router does
// by itself, and signals Wake.
func (f *Fake) CutOff(rollout uint64, c traffic.CutOff) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rollouts[rollout]
	if r == nil || r.seen.CutOff != nil {
		return
	}
	r.seen.CutOff = &c
	select {
	case f.wake <- rollout:
	default: // The reader is far behind; Observe tells it all the same.
	}
}

// EditObservation lets a test say anything about a rollout: edit changes each
// Observation before it is returned. Nil takes the edit back.
func (f *Fake) EditObservation(rollout uint64, edit func(*traffic.Observation)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rollouts[rollout]; r != nil {
		r.edit = edit
	}
}

// FailApply makes the next n calls of Apply fail with err.
func (f *Fake) FailApply(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.failures = append(f.failures, err)
	}
}

// Deafen makes Apply answer nil and change nothing, as a fleet does whose
// routers have lost touch; false makes it listen again.
func (f *Fake) Deafen(deaf bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = deaf
}

// Table returns the table in force; nil before the first Apply.
func (f *Fake) Table() *table.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.table
}

// Split returns what the table in force says of a rollout; nil when it does
// not name it.
func (f *Fake) Split(rollout uint64) *table.Split {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.table == nil {
		return nil
	}
	for _, route := range f.table.Routes {
		if route.Split != nil && route.Split.Rollout == rollout {
			return route.Split
		}
	}
	return nil
}

// Applied returns every table that Apply accepted, in order.
func (f *Fake) Applied() []*table.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*table.Table(nil), f.applied...)
}

// Attempts returns how often Apply was called, failures included.
func (f *Fake) Attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attempts
}
