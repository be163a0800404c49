package rule

import "math"

// ZTest is what many teams write themselves: on the same ladder, once a minute, a
// one-sided z-test at 5 % of each metric at its margin, on all that the running
// step has shown, as if it were looked at once.
type ZTest struct {
	Config
	steps ladder
	seen  [Arms]Seen
}

// leastEvents is how many events an arm needs before it is tested.
const leastEvents = 5

// quantile95 is the 95 % quantile of the normal distribution.
const quantile95 = 1.6448536269514722

// NewZTest returns a rollout.
func NewZTest(c Config) *ZTest { return &ZTest{Config: c, steps: common} }

// Start is the weight of the first step.
func (z *ZTest) Start() float64 { return z.steps.weights[0] }

// Look tests every metric.
func (z *ZTest) Look(w *Window) Act {
	for arm := range z.seen {
		z.seen[arm].add(&w.Arms[arm])
	}
	for _, m := range z.Judged {
		if z.statistic(m) > quantile95 {
			return rolledBack(m)
		}
	}
	if z.steps.at(w.Minute) > z.steps.at(w.Minute-1) {
		z.seen = [Arms]Seen{}
	}
	return z.steps.next(w.Minute)
}

// statistic is how many standard errors the candidate lies beyond the margin.
func (z *ZTest) statistic(m Metric) float64 {
	t, c := z.seen[Candidate].Of[m], z.seen[Baseline].Of[m]
	if t.N < 2 || c.N < 2 || min(t.events(), c.events()) < leastEvents {
		return 0
	}
	margin := z.Margins[m]
	if m == Latency {
		margin = z.SlowMargin
	}
	squared := t.Variance()/t.N + margin*margin*c.Variance()/c.N
	return safe(m.worse(t.Mean(), margin*c.Mean()) / math.Sqrt(squared))
}
