package rule

// Flagger is a canary of Flagger with the values of its documentation: a look
// each minute, 5 % more traffic at each look that finds nothing, promotion from
// 50 % on. Failed checks are counted for the whole canary and never forgotten,
// and the rollback comes at the start of the look after the one that reached the
// threshold, whatever that would have found.
type Flagger struct {
	queries       *queries
	threshold     int
	step, highest float64

	weight  float64
	failed  int
	culprit Metric
}

// NewFlagger returns a canary that tolerates fewer than threshold failed checks.
func NewFlagger(c Config, threshold int, relative bool) *Flagger {
	return &Flagger{queries: newQueries(c, relative), threshold: threshold, step: 0.05, highest: 0.50, culprit: None}
}

// Start is no traffic: the first look gives the candidate its first.
func (f *Flagger) Start() float64 { return 0 }

// Look is one tick of the canary.
func (f *Flagger) Look(w *Window) Act {
	f.queries.see(w)
	if f.failed >= max(f.threshold, 1) {
		return rolledBack(f.culprit)
	}
	if f.weight > 0 && !f.check(w) {
		f.failed++
		return going(f.weight)
	}
	if f.weight >= f.highest-1e-9 {
		return promoted()
	}
	f.weight += f.step
	return going(f.weight)
}

// check measures the metrics in order and stops at the first that is bad. No
// value is bad.
func (f *Flagger) check(w *Window) bool {
	for _, m := range f.queries.Judged {
		if f.queries.measure(w, m) != successful {
			f.culprit = m
			return false
		}
	}
	return true
}
