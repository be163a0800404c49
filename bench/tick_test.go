package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	rollouts = 100
	// tickTarget is what a tick of all of them may take. The bound that fails is
	// ten times that: machines differ, and this one may be busy.
	tickTarget = 50 * time.Millisecond
)

// BenchmarkTick is one tick of 100 rollouts with five gates, each in the last of
// its five stages with 100,000 requests behind it and 100 more since the tick
// before. In it are the collection from the data plane, the evidence taken over,
// the judgement, the decision, the table and the reading back; not in it are
// sockets, and the flush of evidence, which goes on beside.
func BenchmarkTick(b *testing.B) {
	for _, unit := range []string{"request", "header:X-User-Id"} {
		b.Run("unit="+unit, func(b *testing.B) { tick(b, unit) })
	}
}

func tick(b *testing.B, unit string) {
	e := newEngine(b)
	defer e.stop(b)
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]uint64, rollouts)
	all := make([]parts, rollouts)
	for i := range ids {
		ids[i] = uint64(i + 1)
		all[i] = compile(b, fmt.Sprint("m", i), unit, "http://127.0.0.1:1", fiveGates)
		e.put(b, all[i].model)
		plan := &all[i].rollout.Plan
		e.add(b, all[i], ids[i], lastStage(plan, time.Now().UTC()))
		for stratum := range plan.Stages {
			e.serve(r, ids[i], plan, stratum, 20_000)
		}
	}
	e.settle(b, ids)
	b.ReportAllocs()
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		for i, id := range ids {
			e.serve(r, id, &all[i].rollout.Plan, 4, 100)
		}
		before := processor()
		b.StartTimer()
		e.tick(ids)
		cpu += processor() - before
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(each.Seconds()*1000, "ms/tick")
	b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/tick")
	if each > 10*tickTarget {
		b.Errorf("a tick takes %v, ten times its target of %v", each, tickTarget)
	}
}
