package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Bounds of what is reported.
const (
	// MaxBatch is the most outcomes in one Report.
	MaxBatch = 10_000
	// maxPending is how many outcome ids may wait for the store, over all
	// rollouts, before further batches are turned away.
	maxPending = 200_000
	// retryAfter is when a batch that was turned away may come again.
	retryAfter = 2 * time.Second
	// maxAhead is how far in the future an outcome may claim to be: clocks differ.
	maxAhead = 5 * time.Minute
	// maxID and maxMetric bound the texts of an outcome, in bytes.
	maxID     = 512
	maxMetric = 119
	maxUnit   = 4096
)

// outcomeSeries is what the layout calls the series of an outcome's metric.
const outcomeSeries = "outcome:"

// claim is an outcome with the place where it counts.
type claim struct {
	id      store.OutcomeID
	stratum uint8
	arm     split.Arm
	bucket  uint8
	value   float64
	// covariate is nil where the metric's gate does not ask for one.
	covariate *float64
	// rate and series are the indices of what it counts in, -1 for none.
	rate, series int
	// horizon is the age at which its exposure counts, 0 for at once.
	horizon time.Duration
	exposed time.Time
	// segments are the marks of those that the exposure belongs to.
	segments [assignment.MaxSegments]uint32
}

// Report takes a batch of outcomes. An error means that nothing of it needs to
// be thought of as counted: it is sent again as a whole, and what was counted
// already is told by its id.
func (l *Ledger) Report(ctx context.Context, outcomes []Outcome) (Result, error) {
	if len(outcomes) > MaxBatch {
		return Result{}, problem.New(problem.TooLarge, "%d outcomes in one batch: send at most %d at a time", len(outcomes), MaxBatch)
	}
	if waiting := l.waiting(); waiting > maxPending {
		return Result{}, &Busy{RetryAfter: retryAfter, Message: fmt.Sprintf("%d outcomes wait for the store", waiting)}
	}
	r := &report{ledger: l, now: time.Now(), claims: map[*book][]claim{}}
	for i, o := range outcomes {
		r.take(i, o)
	}
	if err := r.count(ctx); err != nil {
		return Result{}, err
	}
	return r.result, nil
}

// waiting is how many outcome ids the store does not have yet.
func (l *Ledger) waiting() int {
	n := 0
	for _, b := range l.all() {
		b.mu.Lock()
		n += len(b.pending)
		b.mu.Unlock()
	}
	return n
}

// report is one batch on its way.
type report struct {
	ledger *Ledger
	now    time.Time
	result Result
	claims map[*book][]claim
}

func (r *report) refuse(i int, id, format string, args ...any) {
	r.result.Refused = append(r.result.Refused, Refusal{Index: i, ID: clip(id), Reason: fmt.Sprintf(format, args...)})
}

func (r *report) missing(b *book, why Missing) {
	r.result.Unattributed++
	if r.result.Why == nil {
		r.result.Why = map[Missing]int{}
	}
	r.result.Why[why]++
	if b != nil {
		b.countMissing(why)
	}
}

// take finds the place of one outcome.
func (r *report) take(i int, o Outcome) {
	if fault := r.fault(o); fault != "" {
		r.refuse(i, o.ID, "%s", fault)
		return
	}
	if o.Time.IsZero() {
		o.Time = r.now
	}
	b, e, why, err := r.ledger.attribute(o)
	if err != nil {
		r.refuse(i, o.ID, "%v", err)
		return
	}
	if why != "" {
		r.missing(b, why)
		return
	}
	c, ok := claimOf(b.account.Layout, o)
	if !ok {
		r.missing(b, NoGate)
		return
	}
	if fault := c.fault(b.account.Layout, o); fault != "" {
		r.refuse(i, o.ID, "%s", fault)
		b.countRefused()
		return
	}
	if c.horizon > 0 && r.now.Sub(e.at) > c.horizon {
		r.missing(b, TooLate)
		return
	}
	c.stratum, c.arm, c.bucket, c.exposed, c.segments = e.stratum, e.arm, split.Bucket(e.unit), e.at, e.segments
	if c.exposed.After(r.now) {
		c.exposed = r.now // Clocks differ.
	}
	r.claims[b] = append(r.claims[b], c)
}

// claimOf finds the series in which an outcome counts. It reports false when
// there is none.
func claimOf(l *evidence.Layout, o Outcome) (claim, bool) {
	name := outcomeSeries + o.Metric
	c := claim{id: idOf(o.ID), value: o.Value, rate: -1, series: -1, horizon: l.Horizon(name)}
	if i, ok := l.Rate(name); ok {
		c.rate = i
	}
	if i, ok := l.Value(name); ok {
		c.series = i
		if l.Values[i].Covariate {
			c.covariate = o.Covariate
		}
	}
	return c, c.rate >= 0 || c.series >= 0
}

// fault says what is wrong with the value of an outcome, or nothing.
func (c *claim) fault(l *evidence.Layout, o Outcome) string {
	switch {
	case c.rate >= 0 && o.Value != 0 && o.Value != 1:
		return fmt.Sprintf("the value of %s is %v: it is a rate, so write 1 for yes and 0 for no", o.Metric, o.Value)
	case math.Abs(o.Value) > evidence.MaxValue:
		return fmt.Sprintf("the value of %s is %v: write a number between -%g and %g, in a larger unit if need be", o.Metric, o.Value, evidence.MaxValue, evidence.MaxValue)
	case c.series >= 0 && l.Values[c.series].Covariate && o.Covariate == nil:
		return fmt.Sprintf("%s is compared with a covariate and has none: send the number that was known of the unit before its request", o.Metric)
	case c.covariate != nil && !(math.Abs(*c.covariate) <= evidence.MaxValue):
		return fmt.Sprintf("the covariate of %s is %v: write a number between -%g and %g", o.Metric, *c.covariate, evidence.MaxValue, evidence.MaxValue)
	}
	return ""
}

// fault says what is wrong with an outcome by itself, or nothing.
func (r *report) fault(o Outcome) string {
	switch {
	case o.ID == "":
		return "it has no id: give each outcome one of its own, so that it is counted once however often it is sent"
	case len(o.ID) > maxID:
		return fmt.Sprintf("its id has %d bytes: write at most %d", len(o.ID), maxID)
	case !isMetric(o.Metric):
		return fmt.Sprintf("%q is not the name of a metric: write the NAME of a gate's outcome:NAME, such as correct", clip(o.Metric))
	case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
		return "its value is not a number"
	case o.Time.After(r.now.Add(maxAhead)):
		return fmt.Sprintf("its time %s is in the future: write RFC 3339 in UTC, or leave it out for now", o.Time.UTC().Format(time.RFC3339))
	case o.Assignment == "" && (o.Model == "" || o.Unit == ""):
		return "it names no exposure: send assignment (the Belay-Assignment header of the answer), or model and unit"
	case len(o.Unit) > maxUnit:
		return fmt.Sprintf("its unit has %d bytes: write at most %d", len(o.Unit), maxUnit)
	}
	return ""
}

// isMetric reports whether a name can be that of an outcome's metric.
func isMetric(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '_' && c != '-' && c != '.') {
			return false
		}
	}
	return s != "" && len(s) <= maxMetric
}

// clip cuts a caller's text for an answer.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// idOf is the hash by which an outcome's id is kept.
func idOf(id string) store.OutcomeID {
	h := xxh3.HashString128(id)
	var out store.OutcomeID
	binary.BigEndian.PutUint64(out[:8], h.Hi)
	binary.BigEndian.PutUint64(out[8:], h.Lo)
	return out
}

// place is the exposure that an outcome belongs to.
type place struct {
	stratum uint8
	arm     split.Arm
	unit    uint64
	at      time.Time // of the exposure
	// segments are known of a token alone.
	segments [assignment.MaxSegments]uint32
}

// attribute finds the exposure of an outcome: by its token, or else the last of
// its unit. An error is a mistake of the caller.
func (l *Ledger) attribute(o Outcome) (*book, place, Missing, error) {
	if o.Assignment == "" {
		b, p, why := l.byUnit(o)
		return b, p, why, nil
	}
	e, err := l.signer.Read(o.Assignment)
	if err != nil {
		return nil, place{}, "", err
	}
	b := l.book(e.Rollout)
	switch {
	case b == nil:
		return nil, place{}, NoRollout, nil
	case e.Pinned:
		return b, place{}, Pinned, nil
	case e.Stratum == table.NoStratum, int(e.Stratum) >= evidence.MaxStrata:
		return b, place{}, NotCompared, nil
	case o.Time.Sub(e.Time) > b.account.Horizon:
		return b, place{}, TooLate, nil
	}
	return b, place{stratum: e.Stratum, arm: e.Arm, unit: e.Unit, at: e.Time, segments: e.Segments}, "", nil
}

// byUnit finds the last exposure of a unit of a model at or before the
// outcome's time, in its active or else its most recent rollout.
func (l *Ledger) byUnit(o Outcome) (*book, place, Missing) {
	l.mu.RLock()
	var b *book
	if list := l.models[o.Model]; len(list) > 0 {
		b = list[0]
	}
	l.mu.RUnlock()
	if b == nil {
		return nil, place{}, NoRollout
	}
	if b.units == nil {
		return b, place{}, NoExposure
	}
	second := b.account.Salt.Hash(o.Unit).Second
	b.mu.Lock()
	defer b.mu.Unlock()
	s, at := b.units.lastBefore(second, o.Time)
	switch {
	case s == nil:
		return b, place{}, NoExposure
	case o.Time.Sub(at) > b.account.Horizon:
		return b, place{}, TooLate
	}
	return b, place{stratum: s.stratum, arm: s.arm, unit: s.unit, at: at}, ""
}

// count adds the batch's outcomes to their books, each id once. Nothing is
// counted before the store has said of all of them whether it knows them.
func (r *report) count(ctx context.Context) error {
	asked := make(map[*book]*question, len(r.claims))
	for b, claims := range r.claims {
		q, err := b.ask(ctx, r.ledger.store, claims)
		if err != nil {
			return err
		}
		asked[b] = q
	}
	for b, claims := range r.claims {
		for !b.count(r, claims, asked[b]) {
			q, err := b.ask(ctx, r.ledger.store, claims)
			if err != nil {
				return err
			}
			asked[b] = q
		}
	}
	return nil
}

// question is what the store was asked about ids, and when.
type question struct {
	turn  int
	known map[store.OutcomeID]struct{}
}

// ask finds out which of the ids the store knows; those counted lately need not
// be asked about.
func (b *book) ask(ctx context.Context, s store.Ledger, claims []claim) (*question, error) {
	b.mu.Lock()
	q := &question{turn: b.recent.turns, known: map[store.OutcomeID]struct{}{}}
	var unsure []store.OutcomeID
	if b.inStore { // Otherwise every counted id still waits for the store, and recent has it.
		for _, c := range claims {
			if !b.recent.has(c.id) {
				unsure = append(unsure, c.id)
			}
		}
	}
	b.mu.Unlock()
	if len(unsure) == 0 {
		return q, nil
	}
	known, err := s.Known(ctx, b.account.ID, unsure)
	if err != nil {
		return nil, &Busy{RetryAfter: retryAfter, Message: fmt.Sprintf("the store cannot say which outcomes it has: %v", err)}
	}
	for _, id := range known {
		q.known[id] = struct{}{}
	}
	return q, nil
}

// count adds claims. It reports false when so much was counted since the store
// was asked that its answer may be out of date.
func (b *book) count(r *report, claims []claim, q *question) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.recent.missedSince(q.turn) {
		return false
	}
	b.mature(r.now)
	for _, c := range claims {
		if _, known := q.known[c.id]; known || b.recent.has(c.id) {
			r.result.Repeated++
			b.counters.Repeated++
			continue
		}
		b.observe(c, r.now)
		b.recent.add(c.id, len(b.pending))
		b.pending = append(b.pending, c.id)
		r.result.Accepted++
		b.counters.Accepted++
	}
	b.learn(r.now)
	return true
}

func (b *book) countMissing(why Missing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counters.Unattributed++
	if b.counters.Why == nil {
		b.counters.Why = map[Missing]uint64{}
	}
	b.counters.Why[why]++
}

func (b *book) countRefused() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counters.Refused++
}

func (c Counters) clone() Counters {
	c.Why = maps.Clone(c.Why)
	return c
}
