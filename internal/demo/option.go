package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Options say what is played, and how it is shown. Scenario, Seed, Rate and Speed are the flags of the command.
type Options struct {
	// Scenario is one of Scenarios; empty means All.
	Scenario string
	// Seed decides which digits are held out, how networks are trained, which requests are sent when, and what the
	// model servers draw. What Belay decides also depends on the real time that things take.
	Seed uint64
	// Rate is the mean number of requests a second; 0 means DefaultRate.
	Rate float64
	// Speed divides the dwells: 2 is twice as fast; 0 means DefaultSpeed.
	Speed float64

	// Out gets the narration and the table, Err warnings and the server's own log; nil discards.
	Out, Err io.Writer
	// Color allows colours.
	Color bool
	// Live allows one line that is written again and again, for a terminal. Without it every line stays as it is.
	Live bool
	// Width is where long lines are broken on a terminal, in columns; 0 breaks none.
	Width int
	// Verbose also shows the files that are applied and the server's log.
	Verbose bool
	// TempDir is where the temporary directory is made; empty means the system's own place for such.
	TempDir string

	// patience replaces what limit says, and cast the candidates of the scenario, in tests.
	patience time.Duration
	cast     []Candidate
}

const (
	// DefaultRate is the rate for which the policy's margins and samples were chosen.
	DefaultRate = 800
	// DefaultSpeed leaves the dwells as they are in the policy.
	DefaultSpeed = 1
	// DefaultSeed is as good as any other.
	DefaultSeed = 1

	minRate, maxRate = 50, 5000
	// A dwell of the policy, shortened, is still at least the second that a policy asks for.
	minSpeed, maxSpeed = 0.1, 3
)

// filled checks the options and fills in what is left out. All mistakes are told at once.
func (o Options) filled() (Options, error) {
	if o.Scenario == "" {
		o.Scenario = All
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Speed == 0 {
		o.Speed = DefaultSpeed
	}
	if !o.Live {
		o.Width = 0 // One line for each change, for whatever reads them.
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Err == nil {
		o.Err = io.Discard
	}
	var wrong []string
	if !slices.Contains(Scenarios(), o.Scenario) {
		wrong = append(wrong, fmt.Sprintf("no scenario is named %q; there are %s", o.Scenario, strings.Join(Scenarios(), ", ")))
	}
	if !(o.Rate >= minRate && o.Rate <= maxRate) {
		wrong = append(wrong, fmt.Sprintf("rate %v is out of range; use %d to %d requests a second", o.Rate, minRate, maxRate))
	}
	if !(o.Speed >= minSpeed && o.Speed <= maxSpeed) {
		wrong = append(wrong, fmt.Sprintf("speed %v is out of range; use %v to %v", o.Speed, minSpeed, maxSpeed))
	}
	if len(wrong) > 0 {
		return o, problem.New(problem.Invalid, "demo: %s", strings.Join(wrong, "; "))
	}
	return o, nil
}

// cautions are what a rate or a speed does to the demo, said before it starts.
func (o Options) cautions(l ladder) []string {
	var out []string
	if samples := o.Rate * l.first * l.dwell.Seconds(); samples < float64(l.samples) {
		out = append(out, fmt.Sprintf("in %v at %g requests a second the first stage sees about %.0f of the %d requests that it needs; "+
			"stages extend themselves until they have them", l.dwell, o.Rate, samples, l.samples))
	}
	if o.Rate > 2*DefaultRate {
		out = append(out, fmt.Sprintf("%g requests a second, with the models, the router and the callers on one machine, want more than "+
			"two processors; time spent waiting for one counts as latency", o.Rate))
	}
	return out
}

// limit is how long a rollout may take until it is given up: its ladder, and a minute for samples and verdicts, or more
// where a lower rate brings them more slowly.
func (o Options) limit(l ladder) time.Duration {
	if o.patience > 0 {
		return o.patience
	}
	return l.total + time.Duration(float64(time.Minute)*max(1, DefaultRate/o.Rate))
}
