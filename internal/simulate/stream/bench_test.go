package stream

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

func BenchmarkDraw(b *testing.B) {
	for name, outcomes := range map[string][]int{"requests": nil, "outcomes": {0, 1, 2}} {
		for _, users := range []*scenario.Users{nil, {Count: 100_000, Errors: 0.5}} {
			at := name
			if users != nil {
				at += ", users"
			}
			b.Run(at, func(b *testing.B) {
				s := scenario.Builtins()[0]
				s.Traffic.Users = users
				s = s.Filled()
				st := New(s, Options{Seed: 1, Sticky: users != nil, Outcomes: outcomes})
				n, end := 0, 0.0
				b.ReportAllocs()
				for b.Loop() {
					for want := n + 1; n < want; end++ {
						st.Draw(end, 1000, func(*Request) { n++ })
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrequests/s")
			})
		}
	}
}
