package httpapi

import (
	"context"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	// rewind is how far before its Last-Event-ID a stream of all rollouts begins
	// again: decisions of several rollouts are not sent exactly in the order of
	// their times. A reader drops what it has seen, by rollout and seq.
	rewind = 10 * time.Second
	// maxReplay bounds what is sent again of one rollout.
	maxReplay = 1000
	// maxFollowed is how many rollouts, the newest, are looked through then.
	maxFollowed = 1000
)

// followAll is the stream of the decisions of all rollouts. The id of an event
// is the time of its decision.
type followAll struct {
	*stream
	channel <-chan command.Event
	last    map[string]int64 // the last decision sent, by rollout
	since   time.Time        // what was missed begins here
}

func (f *followAll) events() <-chan command.Event { return f.channel }

func (f *followAll) open(ctx context.Context) error {
	if f.resume != "" {
		at, err := time.Parse(time.RFC3339Nano, f.resume)
		if err != nil {
			return problem.New(problem.Invalid, "Last-Event-ID is %q, which is no id of a stream of all rollouts", f.resume)
		}
		f.since = at.Add(-rewind)
	}
	f.channel = f.server.engine.Subscribe(ctx, "")
	statuses, err := f.server.engine.List(ctx, store.Query{Limit: maxFollowed})
	if err != nil {
		return err
	}
	f.last = map[string]int64{}
	for i := range statuses {
		rec := &statuses[i].Record
		f.last[rec.Name] = rec.Last.Seq
		if f.resume == "" || !rec.Last.At.After(f.since) {
			continue
		}
		if f.last[rec.Name], err = f.before(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// before returns the last decision of a rollout that is not after f.since.
func (f *followAll) before(ctx context.Context, rec *store.Rollout) (int64, error) {
	for after := rec.Last.Seq; ; {
		after = max(0, after-logPage)
		page, err := f.server.engine.Log(ctx, rec.Name, after, logPage)
		if err != nil {
			return 0, err
		}
		i := slices.IndexFunc(page, func(l store.Logged) bool { return l.Entry.At.After(f.since) })
		switch {
		case i > 0:
			return page[i-1].Entry.Seq, nil
		case i < 0, after == 0, rec.Last.Seq-after >= maxReplay:
			return after, nil
		}
	}
}

func (f *followAll) begin(ctx context.Context) error {
	if err := f.write([]byte(": following all rollouts\n\n")); err != nil {
		return err
	}
	names := make([]string, 0, len(f.last))
	if f.resume != "" {
		for name := range f.last {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := f.catchUp(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (f *followAll) catchUp(ctx context.Context, name string) (err error) {
	f.last[name], err = f.sendDecisions(ctx, name, f.last[name], func(l *store.Logged) string {
		return l.Entry.At.UTC().Format(time.RFC3339Nano)
	})
	return err
}

func (f *followAll) take(ctx context.Context, e command.Event) (bool, error) {
	if e.Missed > 0 {
		return false, f.lookAgain(ctx)
	}
	if e.Seq <= f.last[e.Rollout] {
		return false, nil
	}
	return false, f.catchUp(ctx, e.Rollout)
}

// lookAgain catches up with every rollout after events were missed.
func (f *followAll) lookAgain(ctx context.Context) error {
	statuses, err := f.server.engine.List(ctx, store.Query{Limit: maxFollowed})
	if err != nil {
		return err
	}
	for i := range statuses {
		if rec := &statuses[i].Record; rec.Last.Seq > f.last[rec.Name] {
			if err := f.catchUp(ctx, rec.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *followAll) tick(context.Context) (bool, error) { return false, nil }
