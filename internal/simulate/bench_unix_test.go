//go:build unix

package simulate

import (
	"syscall"
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

// processor is the time that the process has had on processors: what others take of
// the machine does not count.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvents plays four hours of the standard ladder, looks included, and
// tells how many requests one processor simulates in a second of its own time.
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
			requests, before := uint64(0), processor(b)
			for seed := uint64(1); b.Loop(); seed++ {
				requests += played(b, w, Options{Reps: 1, Seed: seed, Workers: 1, Limit: 4 * time.Hour}).Requests
			}
			b.ReportMetric(float64(requests)/(processor(b)-before).Seconds(), "requests/cpu-s")
		})
	}
}
