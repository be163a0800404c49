package sqlite_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/store"
)

// evidenceSize is a large rollout's evidence: five strata with full histograms,
// as the ledger compresses it.
const evidenceSize = 20 << 10

// noise is what cannot be compressed any more.
func noise(chance *rand.Rand, size int) []byte {
	out := make([]byte, 0, size+8)
	for len(out) < size {
		out = binary.LittleEndian.AppendUint64(out, chance.Uint64())
	}
	return out[:size]
}

// fullEntry is an entry of a rollout with five gates that has come to its fifth
// stage, with numbers of realistic length.
func fullEntry(chance *rand.Rand, seq int64, evidence []byte) *rollout.Entry {
	now := time.Date(2026, 11, 2, 9, 0, 0, 123456789, time.UTC).Add(time.Duration(seq) * time.Minute)
	state := rollout.State{Phase: rollout.Progressing, Stage: 4, StartedAt: now, StageAt: now, SeenAt: now, Served: time.Hour}
	count := func() stats.Stratum {
		return stats.Stratum{NT: float64(chance.IntN(1e6)), KT: float64(chance.IntN(1e4)), NC: float64(chance.IntN(1e6)), KC: float64(chance.IntN(1e4))}
	}
	var judgements []gate.Judgement
	for i := range 5 {
		j := gate.Judgement{
			Gate: fmt.Sprint("outcome:conversion_", i), Verdict: gate.Undecided, LogFail: -chance.ExpFloat64(), LogPass: chance.ExpFloat64(),
			Pooled: -chance.ExpFloat64(), Here: count(), Total: count(),
		}
		j.Sample.Phi, j.Sample.CeilingPhi = 1+chance.Float64(), 1
		for stage := range 5 {
			j.PerStage = append(j.PerStage, -chance.ExpFloat64())
			j.Sample.Strata = append(j.Sample.Strata, gate.Slice{Stage: stage, Counts: count(), Edge: 4711, Over: []float64{17}})
		}
		judgements = append(judgements, j)
	}
	for stage := range 5 {
		state.Strata = append(state.Strata, rollout.Stratum{Stage: stage, Weight: 1000, From: now, Warm: now})
	}
	return &rollout.Entry{
		Seq: seq, At: now, Kind: rollout.KindHold, Reason: rollout.ReasonVerdictMissing, Gate: "latency_p99",
		Sentence: "HOLD at 50%: latency_p99 is undecided: between -2% and +14%, margin +10%; about 40 minutes to go at this traffic.",
		Before:   state, Next: state, Judgements: judgements, EvidenceSum: rollout.Sum(evidence),
		Traffic: rollout.Traffic{Weight: 5000, Known: true, Ready: true, LastRequest: now, SinceCandidate: 1},
	}
}

func fullCommit(chance *rand.Rand, id uint64, n int64) store.Commit {
	evidence := noise(chance, evidenceSize)
	e := fullEntry(chance, n, evidence)
	return store.Commit{ID: id, Revision: n, State: e.Next, Entry: e, Evidence: &store.Kept{ID: id, Evidence: evidence}}
}

func ids(chance *rand.Rand, n int) []store.OutcomeID {
	out := make([]store.OutcomeID, n)
	for i := range out {
		copy(out[i][:], noise(chance, len(out[i])))
	}
	return out
}

// perSecond reports how many of something were done in a second.
func perSecond(b *testing.B, n int, what string) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what+"/s")
}

// BenchmarkCommit is one durable decision: state, entry, 20 KB of evidence.
func BenchmarkCommit(b *testing.B) {
	s, chance := open(b, b.TempDir()), rand.New(rand.NewPCG(1, 1))
	r := begin(b, s, "fraud", 7)
	n := int64(0)
	for b.Loop() {
		n++
		if _, err := s.Commit(b.Context(), fullCommit(chance, r.ID, n)); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, b.N, "commits")
}

// BenchmarkCommitSmall is a commit whose time is that of the disk: a small
// entry, and hardly any evidence.
func BenchmarkCommitSmall(b *testing.B) {
	s := open(b, b.TempDir())
	r := begin(b, s, "fraud", 7)
	n := int64(0)
	for b.Loop() {
		n++
		if _, err := s.Commit(b.Context(), step(r.ID, n)); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, b.N, "commits")
}

// BenchmarkIntend is what a rollback waits for before its decision is kept.
func BenchmarkIntend(b *testing.B) {
	s := open(b, b.TempDir())
	r := begin(b, s, "fraud", 7)
	for b.Loop() {
		if err := s.Intend(b.Context(), store.Intent{ID: r.ID, At: time.Now(), Sentence: "ROLLBACK at 10%"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlush is the evidence and state of 100 rollouts, 20 KB each.
func BenchmarkFlush(b *testing.B) {
	s, chance := open(b, b.TempDir()), rand.New(rand.NewPCG(1, 1))
	kept := make([]store.Kept, 100)
	for i := range kept {
		r := begin(b, s, fmt.Sprint("model-", i), uint64(i+1))
		kept[i] = store.Kept{ID: r.ID, Revision: 1, State: &r.State, Evidence: noise(chance, evidenceSize)}
	}
	for b.Loop() {
		if err := s.Flush(b.Context(), kept); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutcomes keeps 2,000 outcome ids and looks 2,000 up, of one rollout
// that has some already.
func BenchmarkOutcomes(b *testing.B) {
	for _, before := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("before=", before), func(b *testing.B) {
			s, chance := open(b, b.TempDir()), rand.New(rand.NewPCG(1, 1))
			r := begin(b, s, "fraud", 7)
			for range before / 20_000 {
				must(b, s.Flush(b.Context(), []store.Kept{{ID: r.ID, Outcomes: ids(chance, 20_000)}}))
			}
			b.Run("flush", func(b *testing.B) {
				for b.Loop() {
					must(b, s.Flush(b.Context(), []store.Kept{{ID: r.ID, Evidence: noise(chance, evidenceSize), Outcomes: ids(chance, 2000)}}))
				}
			})
			b.Run("known", func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Known(b.Context(), r.ID, ids(chance, 2000)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkForget forgets 100,000 outcome ids.
func BenchmarkForget(b *testing.B) {
	s := open(b, b.TempDir())
	r := begin(b, s, "fraud", 7)
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		must(b, s.Flush(b.Context(), []store.Kept{{ID: r.ID, Outcomes: numbered(round*100_000, 100_000)}}))
		b.StartTimer()
		must(b, s.Forget(b.Context(), r.ID, 0))
	}
	perSecond(b, 100_000*b.N, "ids")
}

// BenchmarkExposures keeps 2,000 exposures, half of them seen before.
func BenchmarkExposures(b *testing.B) {
	s, chance := open(b, b.TempDir()), rand.New(rand.NewPCG(1, 1))
	r := begin(b, s, "fraud", 7)
	now := time.Now()
	for b.Loop() {
		now = now.Add(time.Second)
		exposures := make([]store.Exposure, 2000)
		for i := range exposures {
			exposures[i] = store.Exposure{Unit: uint64(chance.IntN(100_000)) * 0x9e3779b97f4a7c15, First: now, Last: now}
		}
		must(b, s.Flush(b.Context(), []store.Kept{{ID: r.ID, Exposures: exposures}}))
	}
}

// BenchmarkRead reads a rollout by its name.
func BenchmarkRead(b *testing.B) {
	s := open(b, b.TempDir())
	begin(b, s, "fraud", 7)
	for b.Loop() {
		if _, err := s.Rollout(b.Context(), "fraud-v2"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a store that is there, as a restart does.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), dir)
		must(b, err)
		must(b, s.Close())
	}
}

// BenchmarkDay writes one rollout's log of a day, an entry a minute, and reports
// the size of an entry and of the day: once with evidence that is another every
// minute, and once with evidence that never changes.
func BenchmarkDay(b *testing.B) {
	for name, changes := range map[string]bool{"busy": true, "quiet": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				writeDay(b, changes)
			}
		})
	}
}

func writeDay(b *testing.B, changes bool) {
	b.Helper()
	const minutes = 24 * 60
	dir, chance := b.TempDir(), rand.New(rand.NewPCG(1, 1))
	s, err := sqlite.Open(b.Context(), dir)
	must(b, err)
	r := begin(b, s, "fraud", 7)
	c := fullCommit(chance, r.ID, 1)
	for n := int64(1); n <= minutes; n++ {
		if changes {
			c = fullCommit(chance, r.ID, n)
		}
		c.Revision, c.Entry.Seq = n, n
		_, err := s.Commit(b.Context(), c)
		must(b, err)
	}
	log, err := s.Log(b.Context(), r.ID, minutes-1, 1)
	must(b, err)
	must(b, s.Close())
	info, err := os.Stat(filepath.Join(dir, sqlite.File))
	must(b, err)
	b.ReportMetric(float64(len(log[0].Body)), "B/entry")
	b.ReportMetric(float64(info.Size())/(1<<20), "MiB/day")
}
