package loadgen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeReport stands for the outcomes API: it keeps what arrives, and fails when told to.
type fakeReport struct {
	mu      sync.Mutex
	batches [][]Outcome
	times   []time.Time
	fail    func(attempt int) error
	hang    bool
}

func (f *fakeReport) report(ctx context.Context, outcomes []Outcome) error {
	f.mu.Lock()
	f.batches = append(f.batches, outcomes)
	f.times = append(f.times, time.Now())
	attempt := len(f.batches)
	f.mu.Unlock()
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.fail != nil {
		return f.fail(attempt)
	}
	return nil
}

func label(t *testing.T, fake *fakeReport, change func(*LabelOptions)) *Labeller {
	t.Helper()
	opts := LabelOptions{Report: fake.report, Prefix: "run"}
	if change != nil {
		change(&opts)
	}
	l, err := StartLabeller(t.Context(), opts)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return l
}

func stop(t *testing.T, l *Labeller) {
	t.Helper()
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// right is an answer that was just given, and right.
func right(token string) Answer {
	return Answer{Label: 3, Predicted: 3, Assignment: token, Status: 200, Due: time.Now()}
}

func ids(batch []Outcome) (all []string) {
	for _, o := range batch {
		all = append(all, o.ID)
	}
	return all
}

func TestLabelsAreReportedAboutASecondLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{}
		l := label(t, fake, nil)
		given := time.Now().Add(5 * time.Millisecond)
		wrong := right("token-2")
		wrong.Predicted = 8
		wrong.Latency = 5 * time.Millisecond
		l.Observe(right("token-1"))
		l.Observe(wrong)
		time.Sleep(5 * time.Second)
		stop(t, l)
		want := []Outcome{
			{ID: "run-1", Assignment: "token-1", Metric: "correct", Value: 1, Time: given.Add(-5 * time.Millisecond).UTC()},
			{ID: "run-2", Assignment: "token-2", Metric: "correct", Value: 0, Time: given.UTC()},
		}
		var got []Outcome
		for i, batch := range fake.batches {
			got = append(got, batch...)
			if late := fake.times[i].Sub(given); late < 900*time.Millisecond || late > 1300*time.Millisecond {
				t.Errorf("batch %d was reported %v after its answers", i, late)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reported (-want +got):\n%s", diff)
		}
	})
}

func TestAnswersWithoutALabelAreNotReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{}
		l := label(t, fake, nil)
		failed := right("token")
		failed.Err = errors.New("status 500")
		l.Observe(failed)
		l.Observe(right(""))
		time.Sleep(5 * time.Second)
		stop(t, l)
		if len(fake.batches) != 0 || l.Stats() != (LabelStats{}) {
			t.Errorf("reported %v, stats %+v; want nothing", fake.batches, l.Stats())
		}
	})
}

func TestLabelsAreReportedInBoundedBatchesAndEachOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{}
		l := label(t, fake, func(o *LabelOptions) { o.MaxBatch = 100 })
		for i := range 1050 {
			l.Observe(right(fmt.Sprint("token-", i)))
		}
		time.Sleep(2 * time.Second)
		stop(t, l)
		seen := map[string]bool{}
		for _, batch := range fake.batches {
			if len(batch) > 100 {
				t.Errorf("a batch of %d", len(batch))
			}
			for _, o := range batch {
				seen[o.ID] = true
			}
		}
		if s := l.Stats(); len(seen) != 1050 || len(fake.batches) != 11 || s.Taken != 1050 || s.Reported != 1050 || s.GivenUp != 0 {
			t.Errorf("%d labels in %d batches, stats %+v", len(seen), len(fake.batches), s)
		}
	})
}

func TestABatchThatFailsIsTriedAgainWithTheSameIds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{fail: func(attempt int) error {
			if attempt <= 3 {
				return fmt.Errorf("attempt %d failed", attempt)
			}
			return nil
		}}
		l := label(t, fake, nil)
		l.Observe(right("a"))
		l.Observe(right("b"))
		time.Sleep(10 * time.Second)
		stop(t, l)
		if len(fake.batches) != 4 {
			t.Fatalf("%d attempts, want 4", len(fake.batches))
		}
		for i, batch := range fake.batches {
			if diff := cmp.Diff([]string{"run-1", "run-2"}, ids(batch)); diff != "" {
				t.Errorf("attempt %d (-want +got):\n%s", i+1, diff)
			}
		}
		// The pause begins at 100 ms and doubles.
		if took := fake.times[3].Sub(fake.times[0]); took != 700*time.Millisecond {
			t.Errorf("four attempts within %v, want 700ms", took)
		}
		s := l.Stats()
		if s.Reported != 2 || s.Retries != 3 || s.GivenUp != 0 || s.LastErr == nil || s.LastErr.Error() != "attempt 3 failed" {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestABatchThatNeverArrivesIsGivenUpAndTheNextIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{fail: func(attempt int) error {
			if attempt <= 2 {
				return errors.New("down")
			}
			return nil
		}}
		l := label(t, fake, func(o *LabelOptions) { o.Attempts, o.MaxBatch = 2, 1 })
		l.Observe(right("a"))
		l.Observe(right("b"))
		time.Sleep(10 * time.Second)
		stop(t, l)
		if s := l.Stats(); s.GivenUp != 1 || s.Reported != 1 || s.Retries != 1 {
			t.Errorf("stats %+v, want one given up and one reported", s)
		}
	})
}

func TestAFullQueueDropsAndCountsAndNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{hang: true}
		l := label(t, fake, func(o *LabelOptions) { o.MaxQueue, o.MaxBatch, o.Timeout = 10, 10, time.Hour })
		for range 10 {
			l.Observe(right("a"))
		}
		time.Sleep(2 * time.Second) // The first batch is out now, and hangs.
		before := time.Now()
		for range 25 {
			l.Observe(right("b"))
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("observing waited %v", took)
		}
		if s := l.Stats(); s.Taken != 20 || s.Dropped != 15 {
			t.Errorf("stats %+v, want 20 taken and 15 dropped", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v, want the deadline", err)
		}
		if s := l.Stats(); s.GivenUp != 20 || s.Reported != 0 {
			t.Errorf("stats %+v, want all that were taken given up", s)
		}
	})
}

func TestStopReportsWhatIsQueuedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{}
		l := label(t, fake, nil)
		l.Observe(right("a"))
		before := time.Now()
		stop(t, l)
		stop(t, l)
		if took := time.Since(before); took != 0 {
			t.Errorf("stop took %v", took)
		}
		if s := l.Stats(); s.Reported != 1 {
			t.Errorf("stats %+v, want the label reported", s)
		}
	})
}

func TestAnAttemptThatHangsIsCutOffAndTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeReport{hang: true}
		l := label(t, fake, func(o *LabelOptions) { o.Attempts, o.Timeout = 2, time.Second })
		l.Observe(right("a"))
		time.Sleep(10 * time.Second)
		stop(t, l)
		if s := l.Stats(); len(fake.batches) != 2 || s.GivenUp != 1 || !errors.Is(s.LastErr, context.DeadlineExceeded) {
			t.Errorf("%d attempts, stats %+v", len(fake.batches), s)
		}
	})
}

func TestALabellerNeedsSomebodyToReportTo(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]LabelOptions{
		"no report": {Prefix: "x"},
		"no prefix": {Report: (&fakeReport{}).report},
	} {
		if _, err := StartLabeller(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "report and prefix") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
