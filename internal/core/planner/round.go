package planner

import "math"

// round cuts off the digits that nobody can rely on: what is said comes from a
// thousand rollouts of chance.
func (o *Outlook) round() {
	o.Proven = probability(o.Proven)
	o.Complete.round()
	for i := range o.Stages {
		s := &o.Stages[i]
		s.StartSeconds, s.Seconds = digits(s.StartSeconds), digits(s.Seconds)
		s.CandidateRequests, s.Exposed = digits(s.CandidateRequests), digits(s.Exposed)
		for g := range s.Gates {
			at := &s.Gates[g]
			at.Candidate, at.Baseline, at.EnoughSeconds = digits(at.Candidate), digits(at.Baseline), digits(at.EnoughSeconds)
			at.MarginProven = probability(at.MarginProven)
			at.Catches.round()
			at.Proves.round()
		}
	}
	for i := range o.Gates {
		o.Gates[i].Alpha = digits(o.Gates[i].Alpha)
		o.Gates[i].Pass.round()
		for h := range o.Gates[i].Harms {
			o.Gates[i].Harms[h].round()
		}
	}
}

func (h *HarmOutlook) round() {
	h.Change.round()
	h.Times.round()
	h.Caught = probability(h.Caught)
	for i, p := range h.CaughtBy {
		h.CaughtBy[i] = probability(p)
	}
	for _, x := range []*float64{&h.Exposed50, &h.Exposed90, &h.Harmed50, &h.Harmed90} {
		*x = digits(*x)
	}
}

func (t *Times) round() { t.P50, t.P80, t.P90 = digits(t.P50), digits(t.P80), digits(t.P90) }

func (p *Powered) round() {
	if p.P80 != nil {
		p.P80.round()
	}
	if p.P90 != nil {
		p.P90.round()
	}
}

func (c *Change) round() { c.Relative, c.Level = digits(c.Relative), digits(c.Level) }

// digits keeps four digits.
func digits(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// probability keeps what a thousand rollouts can tell.
func probability(p float64) float64 { return math.Round(min(max(p, 0), 1)*1000) / 1000 }
