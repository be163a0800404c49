package ledger

import "github.com/belay-rollouts/belay/internal/store"

// recentRoom is how many outcome ids one generation of a recent set holds.
const recentRoom = 1 << 16

// recent remembers the ids that were counted lately, in two generations: at
// least the last recentRoom of them, at most twice as many. Older ones the
// store knows.
type recent struct {
	room     int
	now, old map[store.OutcomeID]struct{}
	turns    int // how often the generations changed
}

func newRecent() recent { return recent{room: recentRoom} }

func (r *recent) has(id store.OutcomeID) bool {
	if _, ok := r.now[id]; ok {
		return true
	}
	_, ok := r.old[id]
	return ok
}

// add adds an id, the last so many before which are not in the store yet; those
// are never forgotten.
func (r *recent) add(id store.OutcomeID, waiting int) {
	if r.now == nil || len(r.now) >= max(r.room, waiting) {
		r.old, r.now = r.now, map[store.OutcomeID]struct{}{}
		r.turns++
	}
	r.now[id] = struct{}{}
}

// missedSince reports whether an id could have been added after the given turn
// and be forgotten by now.
func (r *recent) missedSince(turn int) bool { return r.turns > turn+1 }
