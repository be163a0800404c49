package simulate

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// businessPolicy has gates of every kind that a scenario feeds.
const businessPolicy = `
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: business}
spec:
  extends: standard
  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%}
    - {metric: latency_p99, maxIncrease: 10%}
    - {metric: "outcome:conversion", kind: rate, maxDecrease: 5%, per: exposure}
    - {metric: "outcome:revenue", kind: mean, maxDecrease: 5%, require: no-harm, per: exposure}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 2pp}
`

// BenchmarkEvents plays four hours of the standard ladder, looks included, and
// tells how many requests a second one processor simulates.
func BenchmarkEvents(b *testing.B) {
	for _, bb := range []struct {
		name, policy, more string
		rate               float64
		users              *scenario.Users
	}{
		{"standard, 100 a second", "standard", "", 100, nil},
		{"standard, 1000 a second", "standard", "", 1000, nil},
		{"standard, 1000 a second, users", "standard", "", 1000, &scenario.Users{Count: 100_000, Errors: 0.5}},
		{"five gates, 1000 a second", "business", businessPolicy, 1000, nil},
		{"five gates, 1000 a second, users", "business", businessPolicy, 1000, &scenario.Users{Count: 100_000, Errors: 0.5}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			unit := "unit: request"
			if bb.users != nil {
				unit = "unit: header:X-User"
			}
			s := builtin(b, "no-change")
			s.Traffic.Rate, s.Traffic.Users = bb.rate, bb.users
			w := prepared(b, resolved(b, bb.policy, bb.more, "unit: request", unit), s)
			requests := uint64(0)
			for seed := uint64(1); b.Loop(); seed++ {
				requests += played(b, w, Options{Reps: 1, Seed: seed, Workers: 1, Limit: 4 * time.Hour}).Requests
			}
			b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(requests), "ns/request")
		})
	}
}
