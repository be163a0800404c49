package stream

import "github.com/belay-rollouts/belay/internal/core/split"

// Harm is how many of the candidate's requests are expected to have gone worse
// than they would have at the baseline at the same time.
type Harm struct {
	Failed float64 // and would not have
	Slowed float64 // beyond the baseline's usual 99th percentile, and would not have been
	Lost   float64 // came to no success and would have; worth that is lost counts in whole successes
}

// All is the sum.
func (h Harm) All() float64 { return h.Failed + h.Slowed + h.Lost }

// harm is that of a minute, to a crowd at the candidate.
func (w *World) harm(at *condition, c *crowd) Harm {
	total := c.total()
	if total == 0 {
		return Harm{}
	}
	own, usual := &at.arms[split.Candidate], &at.arms[split.Baseline]
	h := Harm{Failed: max(w.errors(c, own)-w.errors(c, usual), 0)}
	if own[0].tuning != usual[0].tuning || own[1].tuning != usual[1].tuning {
		h.Slowed = max(w.latency(c, own).slow-w.latency(c, usual).slow, 0) * total
	}
	for i, o := range w.model.Baseline.Outcomes {
		would := w.successes(c, usual, i)
		lost := max(would-w.successes(c, own, i), 0)
		if worth := own[1].outcomes[i].worth / usual[1].outcomes[i].worth; worth < 1 {
			lost += (would - lost) * (1 - worth)
		}
		h.Lost += lost * o.Reported
	}
	h.Failed *= at.rate
	h.Slowed *= at.rate
	h.Lost *= at.rate
	return h
}

// HarmAt is the harm of one minute with a candidate of some weight.
func (w *World) HarmAt(minute int, weight float64) Harm {
	at := w.condition(minute, weight)
	return w.harm(&at, w.crowd(span{0, weight}))
}

// Expected is how many requests of both arms are expected in a minute.
func (w *World) Expected(minute int) float64 {
	at := w.condition(minute, 0)
	return at.rate
}
