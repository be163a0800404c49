package controllertest

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/ledger"
)

// Load is traffic of one rollout: the same number of requests each second,
// answered as the two arms behave.
type Load struct {
	Rollout uint64
	Rate    int // requests a second
	// Units is how many users send them; 0 makes each request a unit of its own.
	Units int
	// Errors and Wrong are the shares of bad answers and of wrong predictions, by
	// arm.
	Errors, Wrong [split.Arms]float64
	// Report reports the outcome `correct` of each request this much later; 0
	// reports none.
	Report time.Duration
	// Lost is the share of the candidate's requests that nobody counts.
	Lost float64
	Seed uint64
}

// Drive sends a load until ctx ends. It returns at once.
func (w *World) Drive(ctx context.Context, l *Load) {
	random := rand.New(rand.NewPCG(l.Seed, 1))
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				w.second(ctx, l, random, n)
			}
		}
	}()
}

// second sends the requests of one second.
func (w *World) second(ctx context.Context, l *Load, random *rand.Rand, n int) {
	s := w.Target.Split(l.Rollout)
	if s == nil {
		return
	}
	delta := evidence.NewStratum(s.Layout)
	delta.Edges = s.Edges
	batch := evidence.Batch{Rollout: l.Rollout, Stratum: s.Stratum, Delta: delta}
	var outcomes []ledger.Outcome
	var served [split.Arms]uint64
	for i := range l.Rate {
		h := s.Salt.Hash(l.unit(random))
		arm := split.Pick(h, s.Weight)
		served[arm]++
		o := evidence.Observation{
			Arm: arm, Bucket: h.Bucket(), Error: random.Float64() < l.Errors[arm],
			Latency: time.Duration(float64(10*time.Millisecond) * (0.5 + random.ExpFloat64())),
		}
		wrong := random.Float64() < l.Wrong[arm]
		if s.Stratum == table.NoStratum || arm == split.Candidate && random.Float64() < l.Lost {
			continue
		}
		delta.Observe(s.Layout, o)
		batch.Exposures = append(batch.Exposures, evidence.Exposure{Unit: h.Second, Arm: arm, Time: time.Now()})
		if l.Report > 0 {
			outcomes = append(outcomes, w.outcome(s, h, arm, wrong, n*l.Rate+i))
		}
	}
	for arm, n := range served {
		w.Target.Requests(l.Rollout, split.Arm(arm), n)
	}
	if s.Stratum != table.NoStratum {
		w.Target.Inject(batch)
	}
	if len(outcomes) > 0 {
		w.later(ctx, l.Report, outcomes)
	}
}

func (l *Load) unit(random *rand.Rand) string {
	if l.Units > 0 {
		return "user-" + strconv.Itoa(random.IntN(l.Units))
	}
	return strconv.FormatUint(random.Uint64(), 36)
}

// outcome is what the application will report of a request.
func (w *World) outcome(s *table.Split, h split.Hash, arm split.Arm, wrong bool, i int) ledger.Outcome {
	o := ledger.Outcome{ID: "request-" + strconv.Itoa(i), Metric: "correct", Value: 1}
	if wrong {
		o.Value = 0
	}
	o.Assignment = w.Signer.Token(assignment.Exposure{
		Rollout: s.Rollout, Stratum: s.Stratum, Arm: arm, Unit: h.Second, Request: uint64(i), Time: time.Now(),
	})
	return o
}

// later reports outcomes after a while.
func (w *World) later(ctx context.Context, delay time.Duration, outcomes []ledger.Outcome) {
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(delay):
			if _, err := w.ledger().Report(ctx, outcomes); err != nil && ctx.Err() == nil {
				w.tb.Errorf("report: %v", err)
			}
		}
	}()
}
