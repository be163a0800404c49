package ledger

import (
	"context"
	"time"
)

// The data plane is asked by the controller for every decision. While no rollout
// runs nobody would ask, and what the last one still saw at its end would wait
// there: so the ledger asks when nobody has for a while. What waits for its age
// gets older meanwhile, whoever asks.
const (
	listenEvery   = 500 * time.Millisecond
	listenTimeout = 5 * time.Second
)

// listen collects what nobody else collects, until ctx ends.
func (l *Ledger) listen(ctx context.Context) {
	ticker := time.NewTicker(listenEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.mature(now)
			if now.Sub(l.Heard()) >= listenEvery && len(l.all()) > 0 {
				l.collectLate(ctx)
			}
		}
	}
}

func (l *Ledger) collectLate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	if err := l.Collect(ctx); err != nil {
		l.log.DebugContext(ctx, "what came in late is not collected yet", "err", err)
	}
}

// Version counts the changes of a rollout's evidence since its book was opened; 0
// when none is open.
func (l *Ledger) Version(id uint64) uint64 {
	b := l.book(id)
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}
