package scenario

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
)

// Bounds of lists, far beyond what a person writes.
const (
	maxEffects  = 32
	maxOutcomes = 16
	maxSegments = 64
)

// The rows of traffic and of the baseline.

var dailyShape = &field.Shape{
	Name: "daily", Doc: "A daily cycle. At time t the rate is 1 + amplitude*sin(2 pi (t+phase)/period) times its mean.", Inline: true,
	Fields: []field.Field{
		field.Set("amplitude", amplitude, func(d *Daily) *float64 { return &d.Amplitude }, field.Meta{Doc: "How far the rate of requests rises above its mean and falls below it.", Example: "60%"}),
		field.Set("period", soon, func(d *Daily) *time.Duration { return &d.Period }, field.Meta{Doc: "How long a cycle lasts.", Default: "24h", Example: "24h"}),
		field.Set("phase", wait, func(d *Daily) *time.Duration { return &d.Phase }, field.Meta{Doc: "Where in the cycle the rollout starts: 0 is a mean hour on the rising side, a quarter of the period the peak, three quarters the lowest point.", Example: "18h"}),
		field.Set("errors", amplitude, func(d *Daily) *float64 { return &d.Errors }, field.Meta{Doc: "How far the failures of both arms rise and fall with the traffic.", Example: "50%"}),
		field.Set("latency", amplitude, func(d *Daily) *float64 { return &d.Latency }, field.Meta{Doc: "How far the latencies of both arms rise and fall with the traffic.", Example: "30%"}),
	},
}

var burstsShape = &field.Shape{
	Name: "bursts", Doc: "Stretches of time that are alike: each draws a factor of its own, with mean 1 (gamma).", Inline: true,
	Fields: []field.Field{
		field.Set("arrivals", factor, func(b *Bursts) *float64 { return &b.Arrivals }, field.Meta{Doc: "The variance of the factor on the rate of requests.", Example: "0.5"}),
		field.Set("errors", factor, func(b *Bursts) *float64 { return &b.Errors }, field.Meta{Doc: "The variance of the factor on the failures.", Example: "2"}),
		field.Set("lasts", soon, func(b *Bursts) *time.Duration { return &b.Lasts }, field.Meta{Doc: "How long a stretch is.", Default: "30s", Example: "30s"}),
		field.Set("arm", field.OneOf(Both, Candidate, Baseline), func(b *Bursts) *Arm { return &b.Arm }, field.Meta{Doc: "Whose failures come in bursts.", Default: "both", Example: "both"}),
	},
}

var usersShape = &field.Shape{
	Name: "users", Doc: "Those who send the requests and come back. All requests of a user go to one arm.", Inline: true,
	Fields: []field.Field{
		field.Set("count", field.Between(countType, "1", "5000000"), func(u *Users) *int { return &u.Count }, field.Meta{Doc: "How many there are.", Required: true, Example: "20000"}),
		field.Set("activity", field.OneOf(Gamma, Lognormal), func(u *Users) *Activity { return &u.Activity }, field.Meta{Doc: "How the number of requests differs from user to user.", Default: "gamma", Example: "lognormal"}),
		field.Set("spread", field.Between(numberType, "0.001", "5"), func(u *Users) *float64 { return &u.Spread }, field.Meta{Doc: "The standard deviation of the activity over its mean (gamma) or of its logarithm (lognormal).", Default: "1", Example: "1.5"}),
		field.Set("errors", sigma, func(u *Users) *float64 { return &u.Errors }, field.Meta{Doc: "The standard deviation of the logarithm of a user's own factor on the failures.", Example: "1"}),
		field.Set("latency", sigma, func(u *Users) *float64 { return &u.Latency }, field.Meta{Doc: "The standard deviation of the logarithm of a user's own factor on the latency.", Example: "0.3"}),
		field.Set("outcomes", sigma, func(u *Users) *float64 { return &u.Outcomes }, field.Meta{Doc: "The standard deviation of the logarithm of a user's own odds of outcomes.", Example: "0.5"}),
		field.Set("odd", share, func(u *Users) *float64 { return &u.Odd }, field.Meta{Doc: "The share of users who fail often, whatever the version.", Example: "2%"}),
		field.Set("oddErrors", share, func(u *Users) *float64 { return &u.OddErrors }, field.Meta{Doc: "How often those users fail.", Example: "20%"}),
		field.Set("new", field.Between(rateType, "0/s", "100000/s"), func(u *Users) *float64 { return &u.New }, field.Meta{Doc: "How many users leave, and are replaced by new ones.", Example: "100/h"}),
	},
}

var trafficShape = &field.Shape{
	Name: "traffic", Doc: "When requests come and who sends them.",
	Fields: []field.Field{
		field.Set("rate", requestRate, func(t *Traffic) *float64 { return &t.Rate }, field.Meta{Doc: "Requests, on average over a cycle.", Default: "100/s", Example: "100/s"}),
		field.Child("daily", dailyShape, func(t *Traffic) **Daily { return &t.Daily }, field.Meta{Doc: dailyShape.Doc}),
		field.Child("bursts", burstsShape, func(t *Traffic) **Bursts { return &t.Bursts }, field.Meta{Doc: burstsShape.Doc}),
		field.Many("segments", field.Inside(shareType, "0%", "100%"), func(t *Traffic) *[]float64 { return &t.Segments }, field.Meta{Doc: "The shares of the values of the attribute by which the policy has segments; what is left of all is one more.", Computed: "as the effects on segments divide them", Example: "[10%, 30%]", Most: maxSegments}),
		field.Child("users", usersShape, func(t *Traffic) **Users { return &t.Users }, field.Meta{Doc: usersShape.Doc, Computed: "each request is a unit of its own"}),
	},
}

var latencyShape = &field.Shape{
	Name: "latency", Doc: "How long answers take: a lognormal body, with slow requests and a heavy tail beside it.", Inline: true,
	Fields: []field.Field{
		field.Set("median", latency, func(l *Latency) *time.Duration { return &l.Median }, field.Meta{Doc: "The median of the body.", Default: "80ms", Example: "80ms"}),
		field.Set("sigma", field.Between(numberType, "0.001", "5"), func(l *Latency) *float64 { return &l.Sigma }, field.Meta{Doc: "The standard deviation of the logarithm of the body.", Default: "0.25", Example: "0.4"}),
		field.Set("slow", share, func(l *Latency) *float64 { return &l.Slow }, field.Meta{Doc: "A share of requests that take longer: the second mode.", Example: "3%"}),
		field.Set("slowTimes", field.Between(numberType, "0.001", "10000"), func(l *Latency) *float64 { return &l.SlowTimes }, field.Meta{Doc: "How many times as long those take.", Default: "4", Example: "4"}),
		field.Set("heavy", share, func(l *Latency) *float64 { return &l.Heavy }, field.Meta{Doc: "A share of requests whose latency is multiplied with a Pareto factor.", Example: "2%"}),
		field.Set("heavyIndex", field.Between(numberType, "0.1", "100"), func(l *Latency) *float64 { return &l.HeavyIndex }, field.Meta{Doc: "The tail index of that factor; less is heavier.", Default: "2", Example: "1.5"}),
	},
}

var outcomeShape = &field.Shape{
	Name: "outcome", Doc: "What becomes of a request later.", Inline: true,
	Fields: []field.Field{
		field.Set("name", metricType, func(o *Outcome) *string { return &o.Name }, field.Meta{Doc: "The name, as in outcome:NAME; output:NAME=CLASS for a class of an output.", Required: true, Example: "conversion"}),
		field.Set("rate", share, func(o *Outcome) *float64 { return &o.Rate }, field.Meta{Doc: "The share of reports that are a success; with a mean, those that are worth anything.", Required: true, Example: "5%"}),
		field.Set("mean", field.Between(numberType, "0", "1000000000"), func(o *Outcome) *float64 { return &o.Mean }, field.Meta{Doc: "What a success is worth on average.", Computed: "a success counts as one", Example: "30"}),
		field.Set("sigma", sigma, func(o *Outcome) *float64 { return &o.Sigma }, field.Meta{Doc: "The standard deviation of the logarithm of the worth.", Example: "1.3"}),
		field.Set("covariate", field.Between(numberType, "0", "0.999"), func(o *Outcome) *float64 { return &o.Covariate }, field.Meta{Doc: "How what was known before the exposure correlates with what comes of it; for gates with a covariate.", Example: "0.6"}),
		field.Set("reported", field.Between(shareType, "0.0001%", "100%"), func(o *Outcome) *float64 { return &o.Reported }, field.Meta{Doc: "The share of requests with a report.", Default: "100%", Example: "10%"}),
		field.Set("delay", wait, func(o *Outcome) *time.Duration { return &o.Delay }, field.Meta{Doc: "How long after the answer a report comes, on average.", Example: "10m"}),
		field.Set("spread", sigma, func(o *Outcome) *float64 { return &o.Spread }, field.Meta{Doc: "The standard deviation of the logarithm of the delay.", Computed: "delays are exponential", Example: "1"}),
	},
}

var scoreShape = &field.Shape{
	Name: "score", Doc: "A number that the model answers with: normal, or beta where alpha and beta are given.", Inline: true,
	Fields: []field.Field{
		field.Set("name", metricType, func(s *Score) *string { return &s.Name }, field.Meta{Doc: "The name of the output, as in output:NAME.", Required: true, Example: "score"}),
		field.Set("mean", anyNumberType, func(s *Score) *float64 { return &s.Mean }, field.Meta{Doc: "The mean of a normal distribution.", Example: "0.4"}),
		field.Set("deviation", factor, func(s *Score) *float64 { return &s.Deviation }, field.Meta{Doc: "Its standard deviation.", Example: "0.1"}),
		field.Set("alpha", factor, func(s *Score) *float64 { return &s.Alpha }, field.Meta{Doc: "The first parameter of a beta distribution.", Example: "2"}),
		field.Set("beta", factor, func(s *Score) *float64 { return &s.Beta }, field.Meta{Doc: "The second parameter of a beta distribution.", Example: "5"}),
	},
}

var gaugeShape = &field.Shape{
	Name: "gauge", Doc: "A resource of the servers.", Inline: true,
	Fields: []field.Field{
		field.Set("name", wordType, func(g *Gauge) *string { return &g.Name }, field.Meta{Doc: "The name of the metric.", Required: true, Example: "memory"}),
		field.Set("level", field.Between(numberType, "0.000001", "1000000000000"), func(g *Gauge) *float64 { return &g.Level }, field.Meta{Doc: "Its usual level.", Required: true, Example: "1000"}),
		field.Set("noise", sigma, func(g *Gauge) *float64 { return &g.Noise }, field.Meta{Doc: "The standard deviation of its logarithm.", Example: "0.05"}),
		field.Set("memory", field.Between(numberType, "0", "0.999"), func(g *Gauge) *float64 { return &g.Memory }, field.Meta{Doc: "How much of the noise stays from one window to the next.", Example: "0.9"}),
		field.Set("every", soon, func(g *Gauge) *time.Duration { return &g.Every }, field.Meta{Doc: "How often it is looked at.", Default: "15s", Example: "15s"}),
	},
}

var baselineShape = &field.Shape{
	Name: "baseline", Doc: "How the version that serves now behaves.",
	Fields: []field.Field{
		field.Set("errors", share, func(b *writtenBehaviour) *float64 { return &b.Errors }, field.Meta{Doc: "The share of requests that fail.", Example: "0.5%"}),
		field.Set("clientErrors", share, func(b *writtenBehaviour) *float64 { return &b.ClientErrors }, field.Meta{Doc: "The share of requests that are refused as the caller's mistake.", Example: "1%"}),
		field.Child("latency", latencyShape, func(b *writtenBehaviour) **Latency { return &b.Latency }, field.Meta{Doc: latencyShape.Doc}),
		field.Children("outcomes", outcomeShape, func(b *writtenBehaviour) *[]Outcome { return &b.Outcomes }, field.Meta{Doc: "What becomes of requests later.", Most: maxOutcomes}),
		field.Children("scores", scoreShape, func(b *writtenBehaviour) *[]Score { return &b.Scores }, field.Meta{Doc: "Numbers that the model answers with.", Most: maxOutcomes}),
		field.Children("gauges", gaugeShape, func(b *writtenBehaviour) *[]Gauge { return &b.Gauges }, field.Meta{Doc: "Resources of the servers.", Most: maxOutcomes}),
	},
}
