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
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/store"
)

// numbered returns n outcome ids that fall anywhere, from the given number on.
func numbered(from, n int) []store.OutcomeID {
	out := make([]store.OutcomeID, n)
	for i := range out {
		x := uint64(from+i) * 0x9e3779b97f4a7c15
		x = (x ^ x>>29) * 0xbf58476d1ce4e5b9
		binary.BigEndian.PutUint64(out[i][:8], x^x>>32)
		binary.BigEndian.PutUint64(out[i][8:], uint64(from+i))
	}
	return out
}

// known counts how many of the outcome ids are kept.
func known(t *testing.T, s *sqlite.Store, id uint64, from, n int) int {
	t.Helper()
	got, err := s.Known(t.Context(), id, numbered(from, n))
	must(t, err)
	return len(got)
}

// Outcome ids lie in eras; nobody should notice where one ends.
func TestOutcomesOverManyErasAreKnownAndForgottenExactly(t *testing.T) {
	t.Parallel()
	const total, piece = 250, 40 // 8 eras of 32
	s := open(t, t.TempDir())
	s.Shrink(5, 20, 1)
	r, other := begin(t, s, "fraud", 7), begin(t, s, "other", 8)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: other.ID, Outcomes: numbered(0, 50)}}))
	for from := 0; from < total; from += piece {
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: numbered(from, min(piece, total-from))}}))
	}
	if got := known(t, s, r.ID, 0, total+50); got != total {
		t.Fatalf("%d outcome ids are known, want %d", got, total)
	}
	for range 10 {
		known(t, s, r.ID, 0, 1)
	}
	if got := s.Sieves(); got != 7 {
		t.Errorf("%d sieves for 8 eras, want one for each but the last", got)
	}
	for _, keep := range []int{total, 249, 219, 218, 160, 33, 32, 5, 0} {
		must(t, s.Forget(t.Context(), r.ID, keep))
		if older, newest := known(t, s, r.ID, 0, total-keep), known(t, s, r.ID, total-keep, keep); older != 0 || newest != keep {
			t.Fatalf("kept %d of the newest and %d older ones, want %d and none", newest, older, keep)
		}
	}
	if got := s.Sieves(); got != 0 {
		t.Errorf("%d sieves are left of what was forgotten", got)
	}
	if got := known(t, s, other.ID, 0, 50); got != 50 {
		t.Errorf("another rollout has %d outcome ids left of 50", got)
	}
	// What comes after everything was forgotten is new.
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: numbered(0, 10)}}))
	must(t, s.Forget(t.Context(), r.ID, 4))
	if got := known(t, s, r.ID, 0, 10); got != 4 {
		t.Errorf("kept %d of 10 new ones, want 4", got)
	}
	well(t, s)
}

func TestManyExposuresAreForgottenInPieces(t *testing.T) {
	t.Parallel()
	const piece = 20
	s := open(t, t.TempDir())
	s.Shrink(16, piece, 1)
	r := begin(t, s, "fraud", 7)
	for _, units := range []int{0, 1, piece - 1, piece, piece + 1, 2*piece + 3} {
		var exposures []store.Exposure
		for i := range units {
			for stratum := range 1 + i%3 {
				exposures = append(exposures, store.Exposure{Unit: uint64(i) * 0x9e3779b97f4a7c15, Stratum: uint8(stratum), First: time.Unix(1, 0), Last: time.Unix(1, 0)})
			}
		}
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: exposures}}))
		seen := 0
		count := func(store.Exposure) error { seen++; return nil }
		if must(t, s.Exposures(t.Context(), r.ID, count)); seen != len(exposures) {
			t.Errorf("%d exposures are kept, want %d", seen, len(exposures))
		}
		must(t, s.Forget(t.Context(), r.ID, 0))
		seen = 0
		if must(t, s.Exposures(t.Context(), r.ID, count)); seen != 0 {
			t.Errorf("%d of %d exposures are left", seen, len(exposures))
		}
	}
}

func TestWhatIsForgottenLeavesRoomThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	const n = 1500
	dir := t.TempDir()
	var sizes []int64
	for round := range 4 {
		s, err := sqlite.Open(t.Context(), dir)
		must(t, err)
		if round == 0 {
			begin(t, s, "fraud", 7)
		}
		must(t, s.Flush(t.Context(), []store.Kept{{ID: 7, Outcomes: numbered(round*n, n)}}))
		must(t, s.Forget(t.Context(), 7, 0))
		must(t, s.Close())
		sizes = append(sizes, sizeOf(t, filepath.Join(dir, sqlite.File)))
	}
	if sizes[0] < 16*n || sizes[3] > sizes[0]+16*n/2 {
		t.Errorf("the file grew through %v bytes although everything was forgotten each time", sizes)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// Evidence is replaced in place, and the write-ahead log is used again and
// again.
func TestFlushesDoNotMakeTheFilesGrow(t *testing.T) {
	t.Parallel()
	const flushes = 400 // 8 MB
	dir := t.TempDir()
	s := open(t, dir)
	r := begin(t, s, "fraud", 7)
	chance := rand.New(rand.NewPCG(1, 1))
	for range flushes {
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Revision: 1, State: &r.State, Evidence: noise(chance, evidenceSize)}}))
	}
	for name, bound := range map[string]int64{sqlite.File: 1 << 20, sqlite.File + "-wal": 5 << 20} {
		if size := sizeOf(t, filepath.Join(dir, name)); size > bound {
			t.Errorf("%s has %d bytes after %d flushes of 20 KB, want at most %d", name, size, flushes, bound)
		}
	}
}

// Records that stand on the same evidence share it: a rollout that waits for
// traffic does not fill the disk.
func TestEvidenceThatDoesNotChangeIsKeptOnce(t *testing.T) {
	t.Parallel()
	const records = 100
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	r := begin(t, s, "fraud", 7)
	evidence := noise(rand.New(rand.NewPCG(1, 1)), evidenceSize)
	for n := int64(1); n <= records; n++ {
		c := step(r.ID, n)
		c.Evidence.Evidence, c.Entry.EvidenceSum = evidence, rollout.Sum(evidence)
		_, err := s.Commit(t.Context(), c)
		must(t, err)
	}
	well(t, s)
	must(t, s.Close())
	if perRecord := sizeOf(t, filepath.Join(dir, sqlite.File)) / records; perRecord > evidenceSize/4 {
		t.Errorf("a record takes %d bytes, although all stand on the same %d bytes of evidence", perRecord, evidenceSize)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	s, end := open(t, t.TempDir()), time.Now().Add(time.Hour)
	s.Shrink(16, 1, 5)
	for i := range 8 {
		must(t, s.PutAnswer(t.Context(), fmt.Sprint(i), []byte("x"), end.Add(time.Duration(i)*time.Second)))
	}
	// A new answer is kept even if it is the next to end.
	must(t, s.PutAnswer(t.Context(), "short", []byte("x"), end))
	for key, want := range map[string]bool{"0": false, "3": false, "4": true, "7": true, "short": true} {
		got, err := s.Answer(t.Context(), key)
		must(t, err)
		if (got != nil) != want {
			t.Errorf("answer %s is %q", key, got)
		}
	}
}
