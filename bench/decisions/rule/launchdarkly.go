package rule

// LaunchDarkly is a guarded rollout by the published rule: a metric regresses
// when the sequential interval of the difference lies wholly on its worse side,
// and the rollout is rolled back. The stages are those that its own guide
// proposes, 1 % for an hour and 10, 50 % for a day each; the day at 100 % has
// nothing to compare with. Which interval is computed, how often, and how the
// stages are combined is not published: here it is the two-sided interval of
// Sequential at 95 %, every ten minutes, on the data of the running stage, and
// all of the baseline is the control. No metric is judged before the candidate has
// ten events, or would have ten at the baseline's rate: intervals of this kind mean
// nothing earlier.
type LaunchDarkly struct {
	judged []Metric
	test   Sequential
	stages []rampStep
	at     int
	ends   int
	seen   [Arms]Seen
	before [Arms][Metrics]float64 // between units, when the stage began
}

const (
	darklyEvery = 10 // minutes
	darklyLeast = 10 // events
)

// NewLaunchDarkly returns a rollout.
func NewLaunchDarkly(c Config) *LaunchDarkly {
	stages := []rampStep{{0.01, 60}, {0.10, 24 * 60}, {0.50, 24 * 60}}
	return &LaunchDarkly{judged: c.Judged, test: Sequential{Alpha: 0.05, Tuned: tuned}, stages: stages, ends: stages[0].dwell}
}

// Start is the weight of the first stage.
func (l *LaunchDarkly) Start() float64 { return l.stages[0].weight }

// Look checks for regressions when it is time.
func (l *LaunchDarkly) Look(w *Window) Act {
	for arm := range l.seen {
		l.seen[arm].add(&w.Arms[arm])
	}
	if w.Minute%darklyEvery != 0 {
		return going(l.stages[l.at].weight)
	}
	for _, m := range l.judged {
		if l.regressed(m, w.Units) {
			return rolledBack(m)
		}
	}
	if w.Minute < l.ends {
		return going(l.stages[l.at].weight)
	}
	l.at++
	if l.at == len(l.stages) {
		return promoted()
	}
	l.ends += l.stages[l.at].dwell
	l.seen = [Arms]Seen{}
	l.remember(w.Units)
	return going(l.stages[l.at].weight)
}

func (l *LaunchDarkly) regressed(m Metric, units Units) bool {
	candidate, baseline := l.seen[Candidate].Of[m], l.seen[Baseline].Of[m]
	if max(candidate.events(), candidate.N*safe(baseline.events()/baseline.N)) < darklyLeast {
		return false
	}
	var between [Arms]float64
	if units != nil {
		for arm := range between {
			between[arm] = max(units.Between(arm, m)-l.before[arm][m], 0)
		}
	}
	c, ok := contrastOf(m, candidate, baseline, between)
	return ok && c.squaredError > 0 && c.worse-l.test.HalfWidth(c.squaredError, c.n) > 0
}

func (l *LaunchDarkly) remember(units Units) {
	if units == nil {
		return
	}
	for arm := range l.before {
		for _, m := range l.judged {
			l.before[arm][m] = units.Between(arm, m)
		}
	}
}
