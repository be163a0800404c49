package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// followOne is the stream of one rollout: its decisions, each followed by how it
// stands, and how it stands at most once a second in between.
type followOne struct {
	*stream
	name    string
	channel <-chan command.Event
	status  command.Status
	last    int64 // the last decision that was sent
	dirty   bool
	endedAt time.Time // when the stream saw the final phase
}

func (f *followOne) events() <-chan command.Event { return f.channel }

func (f *followOne) open(ctx context.Context) error {
	status, err := f.server.engine.Status(ctx, f.name)
	if err != nil {
		return err
	}
	// From here on the rollout is meant, also when its model gets another one.
	f.name = status.Record.Name
	f.channel = f.server.engine.Subscribe(ctx, f.name)
	if f.status, err = f.server.engine.Status(ctx, f.name); err != nil {
		return err
	}
	f.last = f.status.Record.Last.Seq
	if f.resume == "" {
		return nil
	}
	if f.last, err = strconv.ParseInt(f.resume, 10, 64); err != nil || f.last < 0 {
		return problem.New(problem.Invalid, "Last-Event-ID is %q, which is no id of a stream of one rollout", f.resume)
	}
	return nil
}

func (f *followOne) begin(ctx context.Context) error {
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	_, err := f.show()
	return err
}

func (f *followOne) catchUp(ctx context.Context) (err error) {
	f.last, err = f.sendDecisions(ctx, f.name, f.last, func(l *store.Logged) string {
		return strconv.FormatInt(l.Entry.Seq, 10)
	})
	return err
}

func (f *followOne) take(ctx context.Context, e command.Event) (bool, error) {
	f.dirty = true
	if e.Seq <= f.last && e.Missed == 0 {
		return false, nil
	}
	if err := f.catchUp(ctx); err != nil {
		return false, err
	}
	return f.refresh(ctx)
}

// tick shows how the rollout stands if anything moved. A rollout that has ended
// is looked at until its traffic is confirmed and its last decision has been told.
func (f *followOne) tick(ctx context.Context) (bool, error) {
	if !f.dirty && f.endedAt.IsZero() {
		return false, nil
	}
	return f.refresh(ctx)
}

func (f *followOne) refresh(ctx context.Context) (over bool, err error) {
	if f.status, err = f.server.engine.Status(ctx, f.name); err != nil {
		return false, err
	}
	// No status is shown before the decisions that led to it.
	if f.status.Record.Last.Seq > f.last {
		if err := f.catchUp(ctx); err != nil {
			return false, err
		}
	}
	return f.show()
}

func (f *followOne) show() (over bool, err error) {
	f.dirty = false
	shown := contract.Rollout(&f.status)
	over = f.over()
	return over, f.send("", api.Event{Type: api.EventTypeStatus, Rollout: f.name, Status: &shown})
}

// over reports whether nothing more will come. A rollback moves the traffic
// before its decision is stored, so the phase alone is not the end.
func (f *followOne) over() bool {
	rec := &f.status.Record
	told := rec.Last.Kind == rollout.KindRollback || rec.Last.Kind == rollout.KindComplete
	if !rec.State.Phase.Final() || !told || f.last < rec.Last.Seq {
		return false
	}
	if f.endedAt.IsZero() {
		f.endedAt = f.server.now()
	}
	// The traffic is put back before its decision is stored, so both are waited for.
	stored := rec.Last.Kind == rollout.KindRollback || rec.Last.Kind == rollout.KindComplete
	confirmed := rec.Ending != nil && !rec.Ending.ConfirmedAt.IsZero()
	return stored && confirmed || f.server.now().Sub(f.endedAt) >= confirmWithin || f.server.now().Sub(rec.State.EndedAt) >= confirmWithin
}
