package report

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mathext"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
	"github.com/belay-rollouts/belay/bench/decisions/corpus"
)

// Alpha bounds the rates of wrong decisions, as Belay's policies set it.
const Alpha = 0.05

// What is claimed besides.
const (
	// caughtBound is the share of critical regressions that are caught early.
	caughtBound = 0.95
	// savedBound is the share of the harm of "all at once" that is prevented.
	savedBound = 0.90
)

// confidence is that of the lower limits.
const confidence = 0.99

// Lower is the lower limit of a rate of which k of n were seen.
func Lower(k, n int) float64 {
	if k <= 0 || n <= 0 {
		return 0
	}
	return mathext.InvRegIncBeta(float64(k), float64(n-k+1), 1-confidence)
}

// breaks reports whether k of n are more than a bound allows.
func breaks(k, n int, bound float64) bool { return Lower(k, n) > bound }

// Results are the cells of a contest with what is known of them.
type Results struct {
	Cells []contest.Cell
	// Possible is the probability that the planner gives a critical regression to
	// be caught while the weight is at most a tenth, in the default ladder. It
	// reports false where it does not know.
	Possible func(c *contest.Cell) (float64, bool)
	Rules    []string // in the order in which they are shown
	// Command, Reps and Others say how the cells came to be.
	Command      string
	Reps, Others int
	Seed         uint64
}

// Claim is something that must hold.
type Claim struct {
	Text     string
	Measured string
	Holds    bool
	// Broken are the cells that break it.
	Broken []string
}

// unmeasured is the claim where no cell tells anything of it.
func (c Claim) unmeasured() Claim {
	c.Measured, c.Holds = "nothing was measured", false
	return c
}

// class is the class of a cell's case.
func class(c *contest.Cell) corpus.Class {
	found, err := corpus.Find(c.Case)
	if err != nil {
		return ""
	}
	return found.Class
}

// of calls yield for each cell of a class.
func (r *Results) of(want corpus.Class, yield func(c *contest.Cell)) {
	for i := range r.Cells {
		if class(&r.Cells[i]) == want {
			yield(&r.Cells[i])
		}
	}
}

// Claims are all that must hold, and whether they do.
func (r *Results) Claims() []Claim {
	return []Claim{
		r.falseRollback(), r.falsePromotion(), r.caught(),
		r.saved("requests harmed (failures beyond the baseline's), over the whole corpus", every, failures),
		r.saved("requests harmed (failures beyond the baseline's), critical regressions alone", critical, failures),
		r.saved("users harmed (who had such a failure), where users come back", sticky, failedUsers),
		r.saved("failures, slow requests and lost outcomes together, over the whole corpus", every, harmed),
		r.saved("failures, slow requests and lost outcomes together, critical regressions alone", critical, harmed),
		r.saved("users who had any of these, where users come back", sticky, users),
	}
}

func every(*contest.Cell) bool      { return true }
func critical(c *contest.Cell) bool { return c.Critical }

func sticky(c *contest.Cell) bool {
	found, err := corpus.Find(c.Case)
	return err == nil && found.Sticky()
}

func (r *Results) falseRollback() Claim {
	out := Claim{Text: "a candidate that is no worse is rolled back in at most 5 % of the rollouts, in every case and at every rate", Holds: true}
	worst, total, n, cells := "", 0, 0, 0
	most := -1.0
	r.of(corpus.NoChange, func(c *contest.Cell) {
		t := c.Rules[contest.BelayName]
		if t == nil {
			return
		}
		cells, total, n = cells+1, total+t.RolledBack, n+t.Reps
		if share := float64(t.RolledBack) / float64(t.Reps); share > most {
			most, worst = share, fmt.Sprintf("%s at %s: %d of %d", c.Case, perMinute(c.Rate), t.RolledBack, t.Reps)
		}
		if breaks(t.RolledBack, t.Reps, Alpha) {
			out.Holds = false
			out.Broken = append(out.Broken, fmt.Sprintf("%s at %s: %d of %d", c.Case, perMinute(c.Rate), t.RolledBack, t.Reps))
		}
	})
	if cells == 0 {
		return out.unmeasured()
	}
	out.Measured = fmt.Sprintf("%d of %d in %d cells; at most %s (%s)", total, n, cells, percent(most), worst)
	return out
}

func (r *Results) falsePromotion() Claim {
	out := Claim{Text: "a candidate that is worse by exactly a margin gets all of the traffic in at most 5 % of the rollouts", Holds: true}
	worst, total, n, cells := "", 0, 0, 0
	most := -1.0
	r.of(corpus.AtMargin, func(c *contest.Cell) {
		t := c.Rules[contest.BelayName]
		if t == nil {
			return
		}
		cells, total, n = cells+1, total+t.Whole, n+t.Reps
		if share := float64(t.Whole) / float64(t.Reps); share > most {
			most, worst = share, fmt.Sprintf("%s at %s: %d of %d", c.Case, perMinute(c.Rate), t.Whole, t.Reps)
		}
		if breaks(t.Whole, t.Reps, Alpha) {
			out.Holds = false
			out.Broken = append(out.Broken, fmt.Sprintf("%s at %s: %d of %d", c.Case, perMinute(c.Rate), t.Whole, t.Reps))
		}
	})
	if cells == 0 {
		return out.unmeasured()
	}
	out.Measured = fmt.Sprintf("%d of %d in %d cells; at most %s (%s)", total, n, cells, percent(most), worst)
	return out
}

// counted reports whether a cell counts for the critical regressions: where the
// planner says that they can be caught early.
func (r *Results) counted(c *contest.Cell) bool {
	if !c.Critical {
		return false
	}
	p, known := r.Possible(c)
	return !known || p >= caughtBound
}

func (r *Results) caught() Claim {
	out := Claim{Text: "of the critical regressions at least 95 % are caught while the candidate has at most 10 % of the traffic, over the cells in which the planner says that this is possible", Holds: true}
	caught, n, cells, others := 0, 0, 0, 0
	r.of(corpus.Harm, func(c *contest.Cell) {
		t := c.Rules[contest.BelayName]
		switch {
		case t == nil || !c.Critical:
		case !r.counted(c):
			others++
		default:
			cells, caught, n = cells+1, caught+t.Early, n+t.Reps
			if breaks(t.Reps-t.Early, t.Reps, 1-caughtBound) {
				out.Broken = append(out.Broken, fmt.Sprintf("%s at %s: %d of %d caught", c.Case, perMinute(c.Rate), t.Early, t.Reps))
			}
		}
	})
	if cells == 0 {
		return out.unmeasured()
	}
	out.Holds = !breaks(n-caught, n, 1-caughtBound)
	out.Measured = fmt.Sprintf("%s (%d of %d) in %d cells; %d cells are not counted", percent(share(caught, n)), caught, n, cells, others)
	return out
}

func share(k, n int) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}

func harmed(t *contest.Tally) float64 { return t.Harmed / float64(t.Reps) }
func users(t *contest.Tally) float64  { return t.Users / float64(t.Reps) }

// failures and failedUsers are the narrower harm: what failed and would not have
// failed at the baseline.
func failures(t *contest.Tally) float64    { return t.Failed / float64(t.Reps) }
func failedUsers(t *contest.Tally) float64 { return t.FailedUsers / float64(t.Reps) }

// Saved is the share of the harm of "all at once" that a rule prevents, over the
// cells that are chosen.
func (r *Results) Saved(rule string, chosen func(*contest.Cell) bool, measure func(*contest.Tally) float64) (saved float64, cells int) {
	var own, all float64
	r.of(corpus.Harm, func(c *contest.Cell) {
		t, once := c.Rules[rule], c.Rules[allAtOnce]
		if t == nil || once == nil || !chosen(c) {
			return
		}
		cells++
		own += measure(t)
		all += measure(once)
	})
	if all == 0 {
		return math.NaN(), cells
	}
	return 1 - own/all, cells
}

// saved is the claim that a harm is prevented. Sums over all rates are ruled by the
// highest one, so each rate is told beside, with whether it holds there.
func (r *Results) saved(what string, chosen func(*contest.Cell) bool, measure func(*contest.Tally) float64) Claim {
	saved, cells := r.Saved(contest.BelayName, chosen, measure)
	out := Claim{Text: what + ": at least 90 % less than when all is switched at once", Holds: saved >= savedBound}
	parts := make([]string, 0, len(corpus.Rates))
	for _, rate := range corpus.Rates {
		at, n := r.Saved(contest.BelayName, func(c *contest.Cell) bool { return chosen(c) && c.Rate == rate }, measure)
		switch {
		case n == 0 || math.IsNaN(at):
			continue
		case at < savedBound:
			out.Broken = append(out.Broken, fmt.Sprintf("at %s alone: %s", perMinute(rate), fine(at)))
			parts = append(parts, fmt.Sprintf("%s at %s (**no**)", fine(at), perMinute(rate)))
		default:
			parts = append(parts, fmt.Sprintf("%s at %s (yes)", fine(at), perMinute(rate)))
		}
	}
	if math.IsNaN(saved) {
		return out.unmeasured()
	}
	out.Measured = fmt.Sprintf("%s less in %d cells; %s", fine(saved), cells, strings.Join(parts, ", "))
	return out
}
