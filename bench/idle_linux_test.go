package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const (
	// idleTarget is what a server that does nothing may take of memory, in MB of
	// 1,000,000 bytes. The bound that fails is half as much again.
	idleTarget = 60.0
	// idleFor is how long it has done nothing when it is looked at.
	idleFor = 5 * time.Second
	models  = 10
)

// BenchmarkIdle is the memory of the real program, built and started as anybody
// would, that has no traffic: with an empty data directory, and with ten models
// that it probes and a hundred rollouts that have ended, of five gates and five
// stages each: a month ago, or just now, so that their evidence and the 100,000
// sightings of their users are still open for late outcomes. It is VmRSS, which
// counts the pages of the program itself, too.
func BenchmarkIdle(b *testing.B) {
	program := build(b)
	b.Run("empty", func(b *testing.B) { idle(b, program, filepath.Join(b.TempDir(), "data")) })
	b.Run("100-ended", func(b *testing.B) { idle(b, program, endedRollouts(b, 30*24*time.Hour)) })
	b.Run("100-ended-now", func(b *testing.B) { idle(b, program, endedRollouts(b, 0)) })
}

func idle(b *testing.B, program, data string) {
	for b.Loop() {
		s := serve(b, program, data)
		time.Sleep(idleFor)
		resident, peak := memory(b, s.cmd.Process.Pid)
		s.stop(b)
		b.ReportMetric(resident, "MB-RSS")
		b.ReportMetric(peak, "MB-peak")
		b.ReportMetric(0, "ns/op") // Nearly all of it is waiting.
		if resident > 1.5*idleTarget {
			b.Errorf("an idle server takes %.1f MB, the target is %.0f MB", resident, idleTarget)
		}
	}
}

// memory reads what a process has in memory now, and had at most, in MB.
func memory(b *testing.B, pid int) (resident, peak float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
		if err != nil {
			b.Fatal(err)
		}
		if name == "VmRSS" {
			resident = kib * 1024 / 1e6
		} else {
			peak = kib * 1024 / 1e6
		}
	}
	if resident == 0 {
		b.Fatal("the system does not tell the memory of a process")
	}
	return resident, peak
}

// endedRollouts is a data directory with models whose rollouts have all ended,
// some time ago.
func endedRollouts(b *testing.B, ago time.Duration) string {
	b.Helper()
	server := fakemodel.Start(b, fakemodel.Options{})
	e := newEngine(b)
	r := rand.New(rand.NewPCG(1, 3))
	var names []string
	for round := range rollouts / models {
		var ids []uint64
		for i := range models {
			p := compile(b, fmt.Sprint("m", i), "header:X-User-Id", server.URL(), fiveGates)
			if round == 0 {
				e.put(b, p.model)
			}
			p.rollout.Name = fmt.Sprintf("%s-%d", p.rollout.Name, round)
			p.rollout.Plan.Rollout = p.rollout.Name
			names, ids = append(names, p.rollout.Name), append(ids, uint64(round*models+i+1))
			e.add(b, p, ids[i], lastStage(&p.rollout.Plan, time.Now().UTC()))
			for stratum := range p.rollout.Plan.Stages {
				e.serve(r, ids[i], &p.rollout.Plan, stratum, 2_000)
			}
		}
		e.tick(ids)
		for _, id := range ids {
			act := rollout.Act{Kind: rollout.ActAbort, By: "bench", Reason: "it is enough"}
			if _, err := e.controller.Act(b.Context(), id, controller.Ask{Act: act}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if ago > 0 {
		e.age(b, names, ago)
	}
	e.stop(b)
	return e.dir
}

// age makes rollouts that have ended ones that ended a while ago.
func (e *engine) age(b *testing.B, names []string, ago time.Duration) {
	b.Helper()
	for _, name := range names {
		rec, err := e.store.Rollout(b.Context(), name)
		if err != nil {
			b.Fatal(err)
		}
		rec.State.EndedAt = rec.State.EndedAt.Add(-ago)
		if _, err := e.store.Commit(b.Context(), store.Commit{ID: rec.ID, Revision: rec.Revision, State: rec.State}); err != nil {
			b.Fatal(err)
		}
	}
}
