package ledger

import (
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// Sample adds one window of a resource of both arms' servers: what each arm's
// servers showed, on average over them, in the same stretch of time. Windows of
// a gauge must come in the order of time, from one place.
//
// It reports false, and changes nothing, for a rollout whose book is not open, a
// gauge that the rollout does not have, and a window that cannot be compared:
// one with an arm that is missing (NaN), zero, negative or infinite.
func (l *Ledger) Sample(id uint64, stratum int, gauge string, candidate, baseline float64) bool {
	b := l.book(id)
	if b == nil || stratum < 0 || stratum >= evidence.MaxStrata {
		return false
	}
	i := slices.Index(b.account.Layout.Gauges, gauge)
	var tried evidence.Gauge
	if i < 0 || !tried.Add(candidate, baseline) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stratum(stratum, time.Now()).Gauges[i].Add(candidate, baseline)
}
