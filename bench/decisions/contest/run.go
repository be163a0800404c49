package contest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/belay-rollouts/belay/bench/decisions/corpus"
)

// Options says what to run.
type Options struct {
	Cases []corpus.Case
	Rates []int
	Seed  uint64
	// Reps is how often Belay plays each case at each rate, and Others how often
	// all others do beside it: at most as often.
	Reps   func(corpus.Class) int
	Others func(corpus.Class) int
	// Workers is how many cells are played beside each other; at least 1.
	Workers int
	// Known are cells that need not be played again.
	Known []Cell
	// Done is told of each cell when it is complete, one at a time.
	Done func(Cell) error
}

// share is how many repetitions of a cell a worker plays at a time.
const share = 20

// job is some repetitions of a cell.
type job struct {
	cell     *open
	from, to int
	index    int
}

// open is a cell that is being played.
type open struct {
	spec  corpus.Case
	rate  int
	parts []*Cell
	left  int
}

// Run plays all cells. What is complete when the context ends has been handed to
// Done.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan job)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range max(o.Workers, 1) {
		wait.Go(func() {
			for j := range jobs {
				part, err := j.play(ctx, &o)
				mu.Lock()
				if err == nil {
					err = j.cell.finish(j.index, part, o.Done)
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	deal(ctx, &o, jobs)
	close(jobs)
	wait.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

// deal hands out the jobs, until the context ends.
func deal(ctx context.Context, o *Options, jobs chan<- job) {
	for _, c := range o.Cases {
		for _, rate := range o.Rates {
			if o.known(c.Name, rate) {
				continue
			}
			reps := o.Reps(c.Class)
			cell := &open{spec: c, rate: rate, left: (reps + share - 1) / share}
			cell.parts = make([]*Cell, cell.left)
			for i := range cell.left {
				select {
				case jobs <- job{cell, i * share, min((i+1)*share, reps), i}:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

func (o *Options) known(name string, rate int) bool {
	for i := range o.Known {
		if o.Known[i].Case == name && o.Known[i].Rate == rate {
			return true
		}
	}
	return false
}

// play plays the repetitions of a job.
func (j *job) play(ctx context.Context, o *Options) (*Cell, error) {
	b, err := newBench(j.cell.spec.At(j.cell.rate))
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", j.cell.spec.Name, err)
	}
	out := &Cell{Case: b.Name, Rate: j.cell.rate, Critical: b.Critical(b.model), Rules: map[string]*Tally{}}
	others := o.Others(b.Class)
	for rep := j.from; rep < j.to; rep++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for name, p := range b.play(seedOf(o.Seed, b.Name, j.cell.rate, rep), rep < others) {
			if out.Rules[name] == nil {
				out.Rules[name] = &Tally{}
			}
			out.Rules[name].add(p)
		}
	}
	return out, nil
}

// seedOf is the seed of a repetition: the same whatever else is run.
func seedOf(seed uint64, name string, rate, rep int) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d %d", seed, name, rate, rep)
	return h.Sum64()
}

// finish takes a part in and reports the cell when it was the last.
func (c *open) finish(index int, part *Cell, done func(Cell) error) error {
	c.parts[index] = part
	if c.left--; c.left > 0 {
		return nil
	}
	all := Cell{Case: part.Case, Rate: part.Rate, Critical: part.Critical, Rules: map[string]*Tally{}}
	for _, p := range c.parts { // In order, so that sums do not depend on chance.
		for name, t := range p.Rules {
			if all.Rules[name] == nil {
				all.Rules[name] = &Tally{}
			}
			all.Rules[name].merge(t)
		}
	}
	return done(all)
}
