package planner

import (
	"math"
	"slices"
)

// A period is the time of a stage on a timeline, in seconds.
type period struct {
	stage  int
	start  float64
	length float64
}

func (p period) end() float64 { return p.start + p.length }

// A timeline is the ladder, or the beginning of it, with the time that each stage
// takes.
type timeline []period

// then returns the timeline with a stage more.
func (t timeline) then(stage int, length float64) timeline {
	return append(slices.Clip(t), period{stage, t.end(), length})
}

// end is the end of the last stage.
func (t timeline) end() float64 {
	if len(t) == 0 {
		return 0
	}
	return t[len(t)-1].end()
}

// A span is a part of a period, in seconds since its beginning.
type span struct{ from, to float64 }

// Looks lie closer at the beginning of a stage: a large harm shows in minutes, a
// small one in hours. Each comes at most so many times later than the one before.
const (
	looksApart   = 1.5
	looksAtLeast = 16
	looksAtMost  = 40
	looksLater   = 18 // in a stage after the first, whose beginning adds little
	looksBeyond  = 12 // of what a stage takes longer
	laterPart    = 0.02
	firstUnits   = 3 // of the candidate, at the first look of all
)

// mostLooks are the looks of the longest course of a plan.
func mostLooks(stages int) int { return looksAtMost + looksLater*stages + 2*looksBeyond }

// looks are the moments at which a gate is looked at in a span of a period of a
// timeline, the end included.
func (m *measure) looks(t timeline, p period, s span) []look {
	if s.to <= s.from {
		return nil
	}
	if s.from > 0 {
		return m.between(t, p, s, looksBeyond)
	}
	first := m.firstLook(p.stage)
	n := looksLater
	if p.stage > m.gate.From {
		first = max(first, laterPart*s.to)
	} else {
		n = int(math.Log(s.to/first)/math.Log(looksApart)) + 2
		n = min(max(n, looksAtLeast), looksAtMost)
	}
	first = min(first, 0.5*s.to)
	return append([]look{m.look(t, p, first)}, m.between(t, p, span{first, s.to}, n-1)...)
}

// between are so many moments of a span, each as many times later than the one
// before, the first moment left out.
func (m *measure) between(t timeline, p period, s span, n int) []look {
	out := make([]look, n)
	for i := range out {
		out[i] = m.look(t, p, s.from*math.Pow(s.to/s.from, float64(i+1)/float64(n)))
	}
	return out
}

// firstLook is when in a stage a gate is first worth looking at.
func (m *measure) firstLook(stage int) float64 {
	perSec := m.perSecond(stage)
	if !m.windowed {
		perSec *= max(m.weight(stage), 1e-9)
	}
	return m.warm(stage) + m.lag + firstUnits/perSec
}

// look is the state of the samples so many seconds into a period of a timeline.
func (m *measure) look(t timeline, p period, seconds float64) look {
	l := look{at: p.start + seconds, stage: p.stage, nT: make([]float64, p.stage+1), nC: make([]float64, p.stage+1)}
	for _, before := range t {
		if before.stage <= p.stage && before.stage >= m.gate.From {
			l.nT[before.stage], l.nC[before.stage] = m.units(before.stage, l.at-before.start, before.length)
		}
	}
	return l
}

// enough is when in a stage both arms have the samples that it asks for.
func (m *measure) enough(stage int) float64 {
	w := 1.0
	if !m.windowed {
		w = m.weight(stage)
		if !m.ceilingOnly() {
			w = min(w, 1-w)
		}
	}
	return m.warm(stage) + m.lag + m.gate.Needs(m.plan.Stages[stage].MinSamples)/(m.perSecond(stage)*w)
}
