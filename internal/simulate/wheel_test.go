package simulate

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTheWheelGivesEverythingInItsSecond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var w wheel
		for range 2 { // The second time after being cleared half way.
			w.clear()
			want := map[uint32]int{}
			end := uint32(rapid.SampledFrom([]int{300, 900, 3000, 66_000}).Draw(rt, "end"))
			every := uint32(rapid.IntRange(1, 5000).Draw(rt, "every"))
			for now := range end {
				got := 0
				w.due(now, func(l *late) {
					if l.due != now {
						rt.Fatalf("due in second %d, given in %d", l.due, now)
					}
					got++
				})
				if got != want[now] {
					rt.Fatalf("second %d: %d given, want %d", now, got, want[now])
				}
				if now%every == 0 {
					for _, ahead := range []uint32{1, 255, 256, 257, 65_535, 65_536, 65_537, uint32(rapid.IntRange(1, reach-1).Draw(rt, "ahead"))} {
						w.add(now, late{due: now + ahead})
						want[now+ahead]++
					}
				}
			}
		}
	})
}
