package simulate

import (
	"context"
	"hash/fnv"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Options says how a world is played.
type Options struct {
	// Reps is how many rollouts are played; see DefaultReps for 0.
	Reps int
	Seed uint64
	// Workers is how many are played at a time; all processors for 0. It changes
	// nothing but the time that it takes.
	Workers int
	// Every is how often the evidence is looked at. For 0 that is every second
	// while things are new, and once a minute at most later on.
	Every time.Duration
	// Limit is when a rollout that still goes on is given up; for 0 when all of its
	// stages have used up their time.
	Limit time.Duration
	// Progress, if given, is called after each rollout, one call at a time.
	Progress func(done, all int)
}

// MostReps bounds the rollouts of one run.
const MostReps = 100_000

// Run plays a world. When the context is cancelled it returns what is known by
// then: the rollouts up to the first that is not finished, so that those which
// take long are not left out.
func (w *World) Run(ctx context.Context, o Options) (Result, error) {
	if o.Reps == 0 {
		o.Reps = w.DefaultReps()
	}
	if o.Reps < 0 || o.Reps > MostReps {
		return Result{}, problem.New(problem.Invalid, "%d rollouts cannot be played; write 1 to %d", o.Reps, MostReps)
	}
	if o.Every < 0 || o.Every%time.Second != 0 || o.Limit < 0 {
		return Result{}, problem.New(problem.Invalid, "looks are whole seconds apart, and limits are not negative")
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	plays, done := make([]Play, o.Reps), make([]bool, o.Reps)
	var next, finished atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(workers, o.Reps) {
		wg.Go(func() {
			p := newPlayer(w, o)
			for i := next.Add(1) - 1; i < int64(o.Reps); i = next.Add(1) - 1 {
				play, ok := p.run(ctx, w.seed(o.Seed, i))
				if !ok {
					return
				}
				plays[i], done[i] = play, true
				n := int(finished.Add(1))
				if o.Progress != nil {
					mu.Lock()
					o.Progress(n, o.Reps)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	known := 0
	for known < o.Reps && done[known] {
		known++
	}
	return w.result(o, plays[:known]), nil
}

// seed is the seed of one rollout: its own by scenario and number, so that neither
// the other scenarios nor the workers change what is drawn.
func (w *World) seed(seed uint64, rep int64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.Scenario.Name)) // It never fails.
	x := seed ^ h.Sum64()
	for range 2 {
		// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
		x += 0x9e3779b97f4a7c15 * uint64(rep+1)
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// The default number of rollouts: as many as suit this many requests.
const (
	defaultRequests = 400e6
	leastReps       = 20
	mostReps        = 200
)

// DefaultReps is how many rollouts are played unless told otherwise: 200, or fewer
// where there are many requests in each.
func (w *World) DefaultReps() int {
	var long time.Duration
	for _, s := range w.Plan.Stages {
		long += s.Dwell
	}
	n := defaultRequests / max(1, w.Scenario.Traffic.Rate*long.Seconds())
	for _, reps := range []int{mostReps, 100, 50} {
		if n >= float64(reps) {
			return reps
		}
	}
	return leastReps
}
