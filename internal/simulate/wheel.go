package simulate

import "github.com/belay-rollouts/belay/internal/core/split"

// late is what becomes known after the second in which its request arrived.
type late struct {
	due     uint32 // second
	value   float32
	extra   uint32 // the segment, and where the readings of an answer are kept
	stratum uint8
	bucket  uint8
	series  uint8
	what    uint8
}

// The bits of late.what.
const (
	isCandidate = 1 << iota
	isError
	isClientError
	isRate  // an outcome of a rate
	isValue // an outcome with a value
	isSuccess
)

func armOf(what uint8) split.Arm {
	if what&isCandidate != 0 {
		return split.Candidate
	}
	return split.Baseline
}

// A wheel keeps what is late by the second in which it becomes known: a calendar
// of three hands, each of which turns as fast as the one before goes around. An
// entry is moved at most twice on its way.
type wheel struct {
	slots [hands][turn][]late
}

const (
	hands = 3
	bits  = 8
	turn  = 1 << bits
)

// reach is how many seconds ahead the wheel can keep.
const reach = 1 << (hands * bits)

// add notes what is due after the second now, and at most reach later.
func (w *wheel) add(now uint32, l late) {
	hand := 0
	for ahead := l.due - now; ahead >= turn && hand < hands-1; ahead >>= bits {
		hand++
	}
	slot := &w.slots[hand][l.due>>(hand*bits)%turn]
	*slot = append(*slot, l)
}

// clear forgets everything and keeps its room.
func (w *wheel) clear() {
	for hand := range w.slots {
		for i := range w.slots[hand] {
			w.slots[hand][i] = w.slots[hand][i][:0]
		}
	}
}

// due calls yield with all that becomes known in a second, which must follow the
// second before.
func (w *wheel) due(now uint32, yield func(*late)) {
	for hand := hands - 1; hand > 0; hand-- {
		if now%(1<<(hand*bits)) != 0 {
			continue
		}
		slot := &w.slots[hand][now>>(hand*bits)%turn]
		all := *slot
		*slot = (*slot)[:0]
		for i := range all {
			// What is due right now lies in the first hand's slot of now.
			w.add(now, all[i])
		}
	}
	slot := &w.slots[0][now%turn]
	for i := range *slot {
		yield(&(*slot)[i])
	}
	*slot = (*slot)[:0]
}
