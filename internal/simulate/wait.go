package simulate

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/stream"
)

// slot is the slot of time that exposures of now belong to, for one horizon: all of
// them count when the youngest has reached its age, as in the ledger.
type slot struct {
	age float64 // the horizon in seconds
	due float64 // the second in which they count
	end float64 // the second in which the next slot begins
}

// turnSlots finds the slots of the second that begins. Slots shorter than a second
// are as long as one.
func (p *player) turnSlots() {
	for i, h := range p.world.horizons {
		s := &p.slots[i]
		if float64(p.tick) < s.end {
			continue
		}
		until := evidence.Until(at(p.tick), h).Sub(epoch)
		s.age, s.due = h.Seconds(), max(until, time.Duration(p.tick+1)*time.Second+h).Seconds()
		s.end = s.due - s.age
	}
}

// cohort is the exposures that reach an age together.
type cohort struct {
	due     float64
	stratum uint8
	n       [split.Arms][split.Buckets]uint32
}

// join adds an exposure to its cohort.
func (p *player) join(age int, due float64, o evidence.Observation) {
	all := p.cohorts[age]
	last := len(all) - 1
	if last < 0 || all[last].due != due || all[last].stratum != p.stratum {
		all = append(all, cohort{due: due, stratum: p.stratum})
		last++
		p.cohorts[age] = all
	}
	all[last].n[o.Arm][o.Bucket]++
}

// age counts the exposures that have reached their age.
func (p *player) age() {
	for i, a := range p.world.ages {
		for len(p.cohorts[i]) > 0 && p.cohorts[i][0].due <= float64(p.tick) {
			c := &p.cohorts[i][0]
			s := p.ev.Strata[c.stratum]
			for arm := range c.n {
				for bucket, n := range c.n[arm] {
					for range n {
						s.ObserveOutcome(a.series, split.Arm(arm), uint8(bucket), false) //nolint:gosec // There are two arms, and 256 buckets.
					}
				}
			}
			p.cohorts[i] = p.cohorts[i][1:]
		}
	}
}

// The parts of late.extra: a segment, 0 for none, and where the readings of an
// answer are kept, 0 for nowhere.
const (
	segmentShift = 24
	outputMask   = 1<<segmentShift - 1
)

// segmentOf is the number of the segment of a request, 0 where there are none.
func (p *player) segmentOf(q *stream.Request) uint32 {
	for i, end := range p.world.segments {
		if q.Place < end || i == len(p.world.segments)-1 {
			return uint32(i + 1) //nolint:gosec // There are few.
		}
	}
	return 0
}

// segment is a stratum of a segment.
func (p *player) segment(stratum uint8, segment uint32) *evidence.Stratum {
	return p.ev.SegmentStratum(&p.world.Plan.Layout, p.world.names[segment-1], int(stratum))
}

// readings keeps numbers that belong to what is on its way: the outputs of an answer,
// or the covariate of a report.
type readings struct {
	width  int
	values []float64 // width for each; the first are nobody's
	free   []uint32
	use    []evidence.Reading
	one    [1]float64
}

func (k *readings) clear(width int) {
	k.width, k.free = width, k.free[:0]
	k.values = append(k.values[:0], make([]float64, width)...)
}

// read returns scores as they are read out of an answer.
func (p *player) read(scores []float64) []evidence.Reading {
	if len(scores) == 0 {
		return nil
	}
	p.kept.use = p.kept.use[:0]
	for i, v := range scores {
		p.kept.use = append(p.kept.use, evidence.Reading{Output: p.world.outputs[i], Kind: evidence.Number, Value: v})
	}
	return p.kept.use
}

// keep keeps at most width numbers and returns where; 0 where there is nothing to
// keep, or no room.
func (p *player) keep(numbers []float64) uint32 {
	k := &p.kept
	if len(numbers) == 0 {
		return 0
	}
	at := uint32(len(k.values) / k.width) //nolint:gosec // It is at most a little above outputMask.
	if last := len(k.free) - 1; last >= 0 {
		at, k.free = k.free[last], k.free[:last]
	} else if at > outputMask {
		return 0
	} else {
		k.values = append(k.values, make([]float64, k.width)...)
	}
	copy(k.values[int(at)*k.width:], numbers)
	return at
}

// take gives back n numbers that were kept.
func (p *player) take(at uint32, n int) []float64 {
	if at == 0 {
		return nil
	}
	p.kept.free = append(p.kept.free, at)
	return p.kept.values[int(at)*p.kept.width:][:n]
}

// covariate gives back the covariate of a report, nil where it has none.
func (p *player) covariate(l *late) *float64 {
	kept := p.take(l.extra&outputMask, 1)
	if kept == nil {
		return nil
	}
	return new(kept[0])
}
