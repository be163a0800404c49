package cutoff

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	slots     = 16 // a power of two above longSpan
	longSpan  = 10 // seconds
	shortSpan = 2  // seconds
	// fewest is the least number of requests that a rate is taken of, so that
	// one error among the first requests is no error rate of 100 %.
	fewest = 20
)

// window counts requests and failures in slots of a second. Counting takes no
// lock but once a second; counts that race with the turn of a slot may be lost,
// which a rate can bear.
type window struct {
	turn sync.Mutex
	slot [slots]slot
}

type slot struct {
	second atomic.Int64
	n, k   atomic.Uint64
}

func (w *window) add(now time.Time, failed bool) {
	second := now.Unix()
	s := &w.slot[second&(slots-1)]
	if s.second.Load() != second {
		w.open(s, second)
	}
	s.n.Add(1)
	if failed {
		s.k.Add(1)
	}
}

func (w *window) open(s *slot, second int64) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if s.second.Load() == second {
		return
	}
	s.n.Store(0)
	s.k.Store(0)
	s.second.Store(second)
}

// sum returns the counts of the last seconds, the running one included.
func (w *window) sum(now time.Time, span int64) (n, k uint64) {
	second := now.Unix()
	for i := range w.slot {
		s := &w.slot[i]
		if age := second - s.second.Load(); age >= 0 && age < span {
			n += s.n.Load()
			k += s.k.Load()
		}
	}
	return n, k
}

// rate is the failure rate of the recent past: the worse of the last two
// seconds and the last ten, so that it rises at once and falls slowly.
func (w *window) rate(now time.Time) float64 {
	worst := 0.0
	for _, span := range []int64{shortSpan, longSpan} {
		n, k := w.sum(now, span)
		worst = max(worst, float64(k)/float64(max(n, fewest)))
	}
	return worst
}
