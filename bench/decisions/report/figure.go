package report

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/draw"
)

// Figure is a chart and the name of its file.
type Figure struct {
	File  string
	Alt   string
	Chart draw.Chart
}

// Figures are the charts of the page.
func (r *Results) Figures() []Figure {
	shares := func(title, axis, bound string, at float64) draw.Chart {
		return draw.Chart{Title: title, Axis: axis, From: 0, To: 1, Bound: at, BoundName: bound, Tick: percent}
	}
	rollback := shares("Rolled back without a reason", "share of the rollouts of candidates that are no worse, worst case", "5 %", Alpha)
	promotion := shares("Promoted on the margin", "share of the rollouts of candidates that are worse by exactly the margin, worst case", "5 %", Alpha)
	early := shares("Critical regressions caught early", "share of all critical regressions stopped while the weight was at most 10 %", "95 %", caughtBound)
	harm := draw.Chart{Title: "Requests harmed", Axis: "failures beyond the baseline's, of those of switching all at once", Log: true, From: 1e-5, To: 1, Bound: 1 - savedBound, BoundName: "10 %", Tick: small}
	time := draw.Chart{Title: "Time to rollback", Axis: "from the first harm to the rollback, median over the regressions", Log: true, From: 1, To: 1000, Tick: func(v float64) string { return span(int(math.Round(v))) }}
	out := []Figure{
		{"decisions-false-rollback.svg", "False rollbacks by rule and rate", r.fill(rollback, func(rule string, rate int) float64 {
			return r.worst(rule, rate, corpus.NoChange, func(t *contest.Tally) int { return t.RolledBack })
		})},
		{"decisions-false-promotion.svg", "False promotions by rule and rate", r.fill(promotion, func(rule string, rate int) float64 {
			return r.worst(rule, rate, corpus.AtMargin, func(t *contest.Tally) int { return t.Whole })
		})},
		{"decisions-caught.svg", "Critical regressions caught early by rule and rate", r.fill(early, func(rule string, rate int) float64 {
			return r.early(rule, func(c *contest.Cell) bool { return c.Rate == rate && c.Critical })
		})},
		{"decisions-harm.svg", "Requests harmed by rule and rate", r.fill(harm, func(rule string, rate int) float64 {
			saved, _ := r.Saved(rule, func(c *contest.Cell) bool { return c.Rate == rate }, failures)
			return 1 - saved
		})},
		{"decisions-time.svg", "Time to rollback by rule and rate", r.fill(time, func(rule string, rate int) float64 {
			if at := r.median(rule, rate); at > 0 {
				return float64(at)
			}
			return math.NaN()
		})},
	}
	return out
}

// small writes small shares as percents.
func small(v float64) string {
	if v < 0.01 {
		return percentOf(v)
	}
	return percent(v)
}

// fill gives a chart its rows: a rule each, a value for each rate.
func (r *Results) fill(c draw.Chart, value func(rule string, rate int) float64) draw.Chart {
	for _, rate := range corpus.Rates {
		c.Series = append(c.Series, perMinute(rate))
	}
	for _, name := range r.Rules {
		row := draw.Row{Name: name, Bold: name == contest.BelayName}
		for _, rate := range corpus.Rates {
			row.Values = append(row.Values, value(name, rate))
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// worst is the largest share over the cases of a class at a rate; NaN without any.
func (r *Results) worst(rule string, rate int, of corpus.Class, count func(*contest.Tally) int) float64 {
	most := math.NaN()
	r.of(of, func(c *contest.Cell) {
		if t := c.Rules[rule]; t != nil && c.Rate == rate {
			if s := share(count(t), t.Reps); !(s <= most) {
				most = s
			}
		}
	})
	return most
}

// mean is the mean share over the cases of a class at a rate.
func (r *Results) mean(rule string, rate int, of corpus.Class, count func(*contest.Tally) int) float64 {
	sum, n := 0.0, 0
	r.of(of, func(c *contest.Cell) {
		if t := c.Rules[rule]; t != nil && c.Rate == rate {
			sum, n = sum+share(count(t), t.Reps), n+1
		}
	})
	return sum / float64(n)
}

// early is the share of harm that is stopped early, over the cells that are
// chosen.
func (r *Results) early(rule string, chosen func(*contest.Cell) bool) float64 {
	sum, n := 0.0, 0
	r.of(corpus.Harm, func(c *contest.Cell) {
		if t := c.Rules[rule]; t != nil && chosen(c) {
			sum, n = sum+share(t.Early, t.Reps), n+1
		}
	})
	return sum / float64(n)
}

// median is the median of the minutes to a rollback, over all harm at a rate.
func (r *Results) median(rule string, rate int) int {
	var all []int
	r.of(corpus.Harm, func(c *contest.Cell) {
		if t := c.Rules[rule]; t != nil && c.Rate == rate {
			all = append(all, t.Minutes...)
		}
	})
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
