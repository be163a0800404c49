package scenario

import "time"

// Scenario is a world to run a rollout in. Times within it count from the first
// traffic of the rollout. What is left at zero is not there, unless its sentence
// says otherwise.
type Scenario struct {
	Name string
	// About says in a sentence what happens, for people.
	About    string
	Traffic  Traffic
	Baseline Behaviour
	// Effects are what differs from the baseline's usual behaviour: at the
	// candidate alone, or at both arms (a shared incident).
	Effects []Effect
}

// Traffic is when requests come and who sends them.
type Traffic struct {
	Rate   float64 // requests per second, on average over a day
	Daily  *Daily
	Bursts *Bursts
	// Segments are the shares of the values of an attribute by which a policy also
	// looks; what is left of all is one more. Effects on a segment are felt by the
	// first units: with Segments of 10 % and 30 %, one of 10 % by the first alone.
	Segments []float64
	// Users are those who send the requests, where requests of one user go to one
	// arm. Without them every request is a unit of its own.
	Users *Users
}

// Daily is a cycle of the traffic and what goes with it. At time t the rate is
// 1 + Amplitude*sin(2 pi (t+Phase)/Period) times its mean, so a rollout starts
// on the rising side of an average hour where Phase is 0.
type Daily struct {
	Amplitude float64       // 0.6 for a rate between 40 % and 160 % of its mean
	Period    time.Duration // 24 h where it is 0
	Phase     time.Duration
	// Errors and Latency are the amplitudes of the failures and of the latencies,
	// which rise and fall with the traffic at both arms.
	Errors  float64
	Latency float64
}

// Bursts makes what happens in a stretch of time alike: each Lasts draws a
// factor of its own from a gamma distribution with mean 1.
type Bursts struct {
	Arrivals float64       // variance of the factor on the rate of requests
	Errors   float64       // variance of the factor on the failures
	Lasts    time.Duration // 30 s where it is 0
	Arm      Arm           // whose failures; both where it is empty
}

// Activity is how the number of requests differs from user to user.
type Activity string

// The distributions of the activity.
const (
	Gamma     Activity = "gamma"
	Lognormal Activity = "lognormal"
)

// Users are those who send the requests, and come back.
type Users struct {
	Count    int
	Activity Activity // gamma where it is empty
	// Spread is the standard deviation of a user's activity over its mean
	// (gamma), or of its logarithm (lognormal): 1 where it is 0.
	Spread float64
	// Errors, Latency and Outcomes are the standard deviations of the logarithm
	// of what is a user's own: the factor on the failures, on the latency, and on
	// the odds of outcomes.
	Errors   float64
	Latency  float64
	Outcomes float64
	// Odd is a share of users who fail at the rate OddErrors, whatever the version.
	Odd       float64
	OddErrors float64
	// New is how many users a second leave and are replaced by new ones.
	New float64
}

// Behaviour is how the baseline answers.
type Behaviour struct {
	Errors       float64 // share of requests that fail
	ClientErrors float64 // share of requests that are refused as the caller's mistake
	Latency      Latency
	Outcomes     []Outcome
	Scores       []Score
	Gauges       []Gauge
}

// Latency is a lognormal body, with a share of slow requests beside it and a
// heavy tail if asked for.
type Latency struct {
	Median time.Duration // 80 ms where it is 0
	Sigma  float64       // of the logarithm; 0.25 where it is 0
	// Slow is a share of requests that take SlowTimes as long: the second mode.
	Slow      float64
	SlowTimes float64
	// Heavy is a share of requests whose latency is multiplied with a Pareto
	// factor of tail index HeavyIndex (2 where it is 0).
	Heavy      float64
	HeavyIndex float64
}

// Outcome is what becomes of a request later: bought or not, right or wrong,
// worth so much.
type Outcome struct {
	// Name is as in outcome:NAME. A class of an output has the name of its gate,
	// output:NAME=CLASS.
	Name string
	// Rate is the share of reports that are a success; with Mean, the share that
	// are worth anything.
	Rate float64
	// Mean is what a success is worth on average. Without it the outcome is a
	// success or none.
	Mean float64
	// Sigma is the standard deviation of the logarithm of the worth; 0 makes all
	// worth the same.
	Sigma float64
	// Covariate is how what was known before the exposure correlates with what comes
	// of it, for gates with a covariate.
	Covariate float64
	// Reported is the share of requests with a report; all where it is 0.
	Reported float64
	// Delay is how long after the answer a report comes, on average, and Spread
	// how much that varies: the standard deviation of its logarithm. A Spread of
	// 0 lets delays be exponential.
	Delay  time.Duration
	Spread float64
}

// Score is a number that the model answers with.
type Score struct {
	Name string
	// Mean and Deviation are those of a normal distribution.
	Mean      float64
	Deviation float64
	// Alpha and Beta, if given, make it a beta distribution instead.
	Alpha float64
	Beta  float64
}

// Gauge is a resource of the servers, seen once a Every.
type Gauge struct {
	Name  string
	Level float64
	// Noise is the standard deviation of its logarithm, Memory how much of its
	// noise stays from window to window (autocorrelation).
	Noise  float64
	Memory float64
	Every  time.Duration // 15 s where it is 0
}

// Arm is where an effect or a burst is felt.
type Arm string

// The arms, and both of them.
const (
	Candidate Arm = "candidate"
	Baseline  Arm = "baseline"
	Both      Arm = "both"
)

// Effect is a difference to the baseline's usual behaviour. The zero Change
// changes nothing.
type Effect struct {
	Arm          Arm // candidate where it is empty
	Errors       Change
	ClientErrors Change
	// Latency changes all latencies; with Slowest those of the slowest share of
	// requests alone, with Portion those of a share drawn by chance.
	Latency Change
	Slowest float64
	Portion float64
	// Conversion, Quality and Revenue change all outcomes of a kind: successes
	// that are rarer than one half, those that are not, and what has a worth.
	Conversion Change
	Quality    Change
	Revenue    Change
	// Outcomes change single outcomes by name.
	Outcomes []OutcomeEffect
	// Delay changes how late outcomes are reported.
	Delay Change
	// Scores is added to all scores, in standard deviations.
	Scores float64
	// Gauges changes all gauges.
	Gauges Change
	// Traffic changes the rate of all requests; only with arm both.
	Traffic Change

	When
}

// OutcomeEffect is a difference of one outcome.
type OutcomeEffect struct {
	Name  string
	Rate  Change
	Mean  Change
	Delay Change
}

// When says when, to whom and how strongly an effect is felt. All parts that are
// given must hold; the strengths multiply. The zero When is always, at once and
// for everybody.
type When struct {
	At    time.Duration // begins then
	Lasts time.Duration // and ends so much later; never where it is 0
	// Ramp is how long the effect takes to reach its full size.
	Ramp time.Duration
	// FullAt is the candidate's weight, as a share, at which the effect has its
	// full size; it grows in proportion from the weight Above.
	FullAt float64
	Above  float64
	// Segment is the share of units (of requests, where there are no users) that
	// feel it.
	Segment float64
	// Night is the share of the daily cycle, around its lowest point, in which it
	// is felt.
	Night float64
}

// rare is the rate of success below which an outcome is a conversion, and from
// which on it is a quality.
const rare = 0.5

// Rare reports whether less than half of the reports are successes, so that the
// outcome is a conversion.
func (o *Outcome) Rare() bool { return o.Rate < rare }

// Worsens reports whether the effect lowers the rate or the worth of an outcome.
func (e *Effect) Worsens(o *Outcome) bool {
	for i := range e.Outcomes {
		if one := &e.Outcomes[i]; one.Name == o.Name && (one.Rate.Lowers() || one.Mean.Lowers()) {
			return true
		}
	}
	switch {
	case o.Mean > 0 && e.Revenue.Lowers():
		return true
	case o.Rare():
		return e.Conversion.Lowers()
	}
	return e.Quality.Lowers()
}
