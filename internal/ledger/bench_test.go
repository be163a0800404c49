package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic/traffictest"
)

// BenchmarkReport is a thousand outcomes in one batch, with the flush that makes
// them durable in a store that costs nothing.
func BenchmarkReport(b *testing.B) {
	for name, wait := range map[string]time.Duration{"at once": 0, "with a horizon": 24 * time.Hour} {
		b.Run(name, func(b *testing.B) {
			layout := evidence.NewLayout(true, "outcome:correct")
			layout.AddValues(evidence.Series{Name: "outcome:revenue"})
			if wait > 0 {
				layout.SetHorizon("outcome:correct", wait)
				layout.SetHorizon("outcome:revenue", wait)
				layout.AddExposures(wait)
			}
			l := ledger.New(ledger.Options{Store: storetest.NewMemory(), Target: traffictest.NewFake(nil), Signer: signer})
			if err := l.Open(b.Context(), ledger.Account{ID: id, Name: "m-v2", Model: "m", Salt: salt, Layout: &layout}); err != nil {
				b.Fatal(err)
			}
			tok := token(0, split.Candidate, "u")
			batch := make([]ledger.Outcome, 1000)
			n := 0
			for b.Loop() {
				for i := range batch {
					n++
					batch[i] = ledger.Outcome{ID: fmt.Sprint(n), Assignment: tok, Metric: "correct", Value: 1}
					if i%2 == 0 {
						batch[i].Metric, batch[i].Value = "revenue", float64(i%17)
					}
				}
				if r, err := l.Report(context.Background(), batch); err != nil || r.Accepted != len(batch) {
					b.Fatalf("%+v, %v", r, err)
				}
				s, err := l.Take(id)
				if err != nil {
					b.Fatal(err)
				}
				kept, err := s.Keep(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				s.Kept(kept, true)
				s.Release()
			}
		})
	}
}
