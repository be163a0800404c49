package simulate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Result is what became of a world's rollouts.
type Result struct {
	Scenario string   `json:"scenario"`
	About    string   `json:"about,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	// Reps are the rollouts that the result is of, out of Asked.
	Reps  int    `json:"reps"`
	Asked int    `json:"asked"`
	Seed  uint64 `json:"seed"`

	RolledBack Rate `json:"rolledBack"`
	Promoted   Rate `json:"promoted"`
	Held       Rate `json:"held"`
	// Early is the share of all rollouts that were rolled back while the candidate
	// had at most a tenth of the traffic.
	Early Rate `json:"rolledBackByTenPercent"`

	// The times are in seconds from the first traffic on, of those rollouts that
	// ended so; nil where none did.
	ToRollback  *Quantiles `json:"secondsToRollback,omitempty"`
	ToPromotion *Quantiles `json:"secondsToPromotion,omitempty"`
	ToHold      *Quantiles `json:"secondsToHold,omitempty"`

	// Exposed are the candidate's requests, of all rollouts; Harmed are those that
	// went worse than at the baseline: they failed, were slower than its usual 99th
	// percentile, or came to a worse outcome.
	Exposed     Quantiles  `json:"exposedRequests"`
	Harmed      Quantiles  `json:"harmedRequests"`
	Failed      Quantiles  `json:"failedRequests"`
	Slowed      Quantiles  `json:"slowedRequests"`
	Worse       Quantiles  `json:"worseOutcomes"`
	Users       *Quantiles `json:"exposedUsers,omitempty"`
	HarmedUsers *Quantiles `json:"harmedUsers,omitempty"`

	// Causes are why the rollouts ended, the most frequent first.
	Causes []Cause `json:"causes"`
	// Requests is how many requests were simulated in all.
	Requests uint64 `json:"simulatedRequests"`

	Plays []Play `json:"-"`
}

// Rate is a share of the rollouts, with the interval in which the true share lies
// with 95 % confidence (Clopper and Pearson, Biometrika 26, 1934).
type Rate struct {
	Count int     `json:"count"`
	Share float64 `json:"share"`
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// Quantiles describe a number over rollouts.
type Quantiles struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	Max  float64 `json:"max"`
}

// Cause is why some of the rollouts ended as they did.
type Cause struct {
	Ending Ending `json:"ending"`
	Reason string `json:"reason"`
	Gate   string `json:"gate,omitempty"`
	Count  int    `json:"count"`
}

func (w *World) result(o Options, plays []Play) Result {
	s := &w.Scenario
	r := Result{Scenario: s.Name, About: s.About, Notes: w.Notes, Reps: len(plays), Asked: o.Reps, Seed: o.Seed, Plays: plays}
	share := func(is func(p *Play) bool) Rate {
		k := 0
		for i := range plays {
			k += int(one(is(&plays[i]))) //nolint:gosec // 0 or 1.
		}
		return NewRate(k, len(plays), 0.05)
	}
	ended := func(e Ending) Rate { return share(func(p *Play) bool { return p.Ending == e }) }
	took := func(e Ending) *Quantiles {
		return some(plays, func(p *Play) (float64, bool) { return p.Took.Seconds(), p.Ending == e })
	}
	all := func(of func(p *Play) uint64) Quantiles {
		return deref(some(plays, func(p *Play) (float64, bool) { return float64(of(p)), true }))
	}
	r.RolledBack, r.Promoted, r.Held = ended(RolledBack), ended(Promoted), ended(Held)
	r.Early = share(func(p *Play) bool { return p.Ending == RolledBack && p.Weight <= split.Whole/10 })
	r.ToRollback, r.ToPromotion, r.ToHold = took(RolledBack), took(Promoted), took(Held)
	r.Exposed = all(func(p *Play) uint64 { return p.Exposed })
	r.Harmed = all(func(p *Play) uint64 { return p.Harmed })
	r.Failed = all(func(p *Play) uint64 { return p.Failed })
	r.Slowed = all(func(p *Play) uint64 { return p.Slowed })
	r.Worse = all(func(p *Play) uint64 { return p.Worse })
	if s.Traffic.Users != nil {
		users, harmed := all(func(p *Play) uint64 { return p.Users }), all(func(p *Play) uint64 { return p.HarmedUsers })
		r.Users, r.HarmedUsers = &users, &harmed
	}
	for i := range plays {
		r.Requests += plays[i].Requests
	}
	r.Causes = causes(plays)
	return r
}

func deref(q *Quantiles) Quantiles {
	if q == nil {
		return Quantiles{}
	}
	return *q
}

// causes counts why plays ended.
func causes(plays []Play) []Cause {
	out := []Cause{}
	for i := range plays {
		p := &plays[i]
		c := Cause{p.Ending, string(p.Reason), p.Gate, 1}
		at := slices.IndexFunc(out, func(o Cause) bool { return o.Ending == c.Ending && o.Reason == c.Reason && o.Gate == c.Gate })
		if at < 0 {
			out = append(out, c)
		} else {
			out[at].Count++
		}
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return b.Count - a.Count })
	return out
}

// some describes a number of those plays that have it.
func some(plays []Play, of func(p *Play) (float64, bool)) *Quantiles {
	var values []float64
	sum := 0.0
	for i := range plays {
		if v, has := of(&plays[i]); has {
			values, sum = append(values, v), sum+v
		}
	}
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	// The nearest rank: a value that was seen, and never one between two.
	rank := func(q float64) float64 { return values[max(0, int(math.Ceil(q*float64(len(values))))-1)] }
	return &Quantiles{Mean: sum / float64(len(values)), P50: rank(0.5), P90: rank(0.9), Max: values[len(values)-1]}
}

// NewRate is the share k of n, with the interval that leaves out the true share
// with a chance of at most alpha.
func NewRate(k, n int, alpha float64) Rate {
	r := Rate{Count: k, Upper: 1}
	if n == 0 {
		return r
	}
	r.Share = float64(k) / float64(n)
	if k > 0 {
		r.Lower = mathext.InvRegIncBeta(float64(k), float64(n-k+1), alpha/2)
	}
	if k < n {
		r.Upper = mathext.InvRegIncBeta(float64(k+1), float64(n-k), 1-alpha/2)
	}
	return r
}
