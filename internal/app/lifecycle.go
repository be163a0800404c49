package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// cleanup undoes one step of a start.
type cleanup struct {
	name string
	do   func(context.Context) error
}

// onStop remembers how to undo what was just done.
func (a *App) onStop(name string, do func(context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// Stop undoes everything that was done, last first. Each part has a bound of its
// own, and ctx may be over already: a server that is told to stop while it
// starts still closes its store. Stopping twice is harmless.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	todo := a.cleanups
	a.cleanups = nil
	a.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, t := range slices.Backward(todo) {
		began := time.Now()
		err := t.do(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", t.name, err))
		}
		a.log.DebugContext(ctx, "stopped", "part", t.name, "took", time.Since(began), "err", err)
	}
	return errors.Join(errs...)
}

// bounded gives a cleanup a time limit.
func bounded(limit time.Duration, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return do(ctx)
	}
}
