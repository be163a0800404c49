package check_test

import (
	"context"
	"slices"
	"testing"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Whatever two files hold, a check ends with a report or with an error, and says
// nothing that rests on no rows.
func FuzzCheck(f *testing.F) {
	for _, seed := range [][2]string{
		{"id,status,latency_ms,correct,output,revenue,stage,user,country\n1,200,5,1,a,3,x,u,NZ\n2,500,6,0,b,4,x,v,FR\n", "id,status,latency_ms,correct,output,revenue,stage,user,country\n1,200,5,1,a,3,x,u,NZ\n"},
		{"status,latency_ms\n200,1e999\n200,-1\nx,NaN\n", "status,latency_ms\n200,1\n200,1\n"},
		{`{"id":1,"output":{"a":[1]},"latency_s":1e-300}`, `{"id":1,"output":{"a":[1.0]},"latency_s":0}` + "\n{"},
		{"revenue\n1e15\n-1e15\n0\n", "revenue\n1e-320\n1e15\n"},
		{"", "status\n"},
		{"correct,user\n" + "1,a\n0,b\n", "correct,user\n1,a\n0,b\n1,c\n"},
		{"stage,status\n2026-11-23T10:00:00Z,200\n", "stage,status\n1e300,500\n"},
	} {
		for _, mode := range []uint8{0, 1, 2, 7} {
			f.Add([]byte(seed[0]), []byte(seed[1]), mode)
		}
	}
	p, err := plan.Choose(spec.File{}, plan.Choice{Gates: []string{
		"error_rate maxIncrease 20% ignoreBelow 0.1% max 50%", "client_error_rate maxIncrease 1pp", "latency_p99 maxIncrease 10% max 1s", "latency_p50 maxIncrease 1%",
		"accuracy maxDecrease 5% min 10%", "agreement min 90%", "outcome:revenue kind mean maxDecrease 5% min 1", "outcome:correct maxDecrease 1pp per exposure horizon 1h",
		"output:output max 0.1", "output:revenue kind mean maxIncrease 5%", "output:output class a maxIncrease 1pp",
	}})
	if err != nil {
		f.Fatal(err)
	}
	p.MinSamples = 0
	f.Fuzz(func(t *testing.T, baseline, candidate []byte, mode uint8) {
		o := options(t, string(baseline), string(candidate), "error_rate max 5%")
		o.Plan, o.MaxBad, o.MaxIDs = p, 0.9, 50
		o.Anytime, o.Unpaired, o.Plan.Guarded = mode&1 > 0, false, mode&2 > 0
		o.Optional = []column.Role{"outcome:revenue"}
		if mode&4 > 0 {
			o.By = []string{"country"}
		}
		r, err := check.Run(context.Background(), o)
		if err != nil {
			return
		}
		agree(t, r)
		if len(r.Gates) != len(p.Gates) {
			t.Fatalf("%d gates of %d", len(r.Gates), len(p.Gates))
		}
		for _, g := range r.Gates {
			if !slices.Contains([]gate.Verdict{gate.Pass, gate.Fail, gate.Undecided, gate.NoData}, g.Verdict) || g.Reason == "" {
				t.Errorf("%s is %q by %q", g.Gate, g.Verdict, g.Reason)
			}
		}
		roundTrip(t, r)
	})
}
