package stream

import (
	"math"
	"math/rand/v2"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// outcome draws what becomes of requests.
type outcome struct {
	scenario.Outcome
	worth float64 // median of what a success is worth
	late  float64 // median of the delay in seconds, where it is lognormal
	mean  float64 // of the worth of all reports
	sd    float64 // its standard deviation
}

func newOutcome(o scenario.Outcome) outcome {
	out := outcome{Outcome: o, worth: 1}
	if o.Mean > 0 {
		out.worth = o.Mean * math.Exp(-o.Sigma*o.Sigma/2)
	}
	one := o.Mean
	if one == 0 {
		one = 1
	}
	out.mean = o.Rate * one
	out.sd = math.Sqrt(max(o.Rate*one*one*math.Exp(o.Sigma*o.Sigma)-out.mean*out.mean, 1e-300))
	out.late = o.Delay.Seconds() * math.Exp(-o.Spread*o.Spread/2)
	return out
}

// effect puts an effect on top of the course of the outcome.
func (o *outcome) effect(c *course, e *scenario.Effect, s float64) {
	if o.Rare() {
		c.rate = e.Conversion.Apply(c.rate, s)
	} else {
		c.rate = e.Quality.Apply(c.rate, s)
	}
	if o.Mean > 0 {
		c.worth = e.Revenue.Apply(c.worth, s)
	}
	c.delay = e.Delay.Apply(c.delay, s)
	for i := range e.Outcomes {
		if one := &e.Outcomes[i]; one.Name == o.Name {
			c.rate = one.Rate.Apply(c.rate, s)
			c.worth = one.Mean.Apply(c.worth, s)
			c.delay = one.Delay.Apply(c.delay, s)
		}
	}
}

// reports draws the outcomes of a request. What the candidate failed and the
// baseline answered in its place has the baseline's outcome; other failures have
// none. As much is drawn in every case.
func (st *Stream) reports(q *Request, who *user, baseline, own *profile) {
	q.Reports, q.Worse = q.Reports[:0], false
	rescued := st.opts.Shield && q.Error && q.Arm == split.Candidate
	if rescued {
		own = baseline
	}
	for i := range st.outcomes {
		o := &st.outcomes[i]
		if o.Reported < 1 && st.r.Float64() >= o.Reported {
			continue
		}
		chance := st.r.Float64()
		usual := chance < odds(baseline.outcomes[i].rate, who.odds)
		success := usual
		if own != baseline {
			success = chance < odds(own.outcomes[i].rate, who.odds)
		}
		r := Report{Index: i, Success: success, Delay: q.Latency.Seconds()}
		if o.Delay > 0 {
			r.Delay += o.wait(st.r) * own.outcomes[i].delay
		}
		z := 0.0
		if o.Sigma > 0 {
			z = o.Sigma * st.r.NormFloat64()
		}
		if success {
			r.Value = o.worth * own.outcomes[i].worth * math.Exp(z)
		}
		if st.opts.Covariates {
			before := 0.0
			if usual {
				before = o.worth * math.Exp(z)
			}
			r.Covariate = o.Covariate*(before-o.mean)/o.sd + math.Sqrt(1-o.Covariate*o.Covariate)*st.r.NormFloat64()
		}
		worse := usual && !success || success && usual && own.outcomes[i].worth < baseline.outcomes[i].worth
		q.Worse = q.Worse || q.Arm == split.Candidate && worse
		q.Reports = append(q.Reports, r)
	}
	if q.Error && !rescued {
		q.Reports, q.Worse = q.Reports[:0], false
	}
}

// wait draws how late a report comes, in seconds.
func (o *outcome) wait(r *rand.Rand) float64 {
	if o.Spread > 0 {
		return o.late * math.Exp(o.Spread*r.NormFloat64())
	}
	return o.late * r.ExpFloat64()
}

// odds multiplies the odds of a rate.
func odds(rate, factor float64) float64 {
	if factor == 1 {
		return rate
	}
	return rate * factor / (1 - rate + rate*factor)
}

// score draws a number that the model answers with, moved by some standard
// deviations.
func score(r *rand.Rand, s *scenario.Score, moved float64) float64 {
	if s.Alpha == 0 {
		return s.Mean + s.Deviation*(r.NormFloat64()+moved)
	}
	a, b := s.Alpha*gamma(r, 1/s.Alpha), s.Beta*gamma(r, 1/s.Beta)
	total := s.Alpha + s.Beta
	deviation := math.Sqrt(s.Alpha*s.Beta/(total+1)) / total
	return a/(a+b) + moved*deviation
}
