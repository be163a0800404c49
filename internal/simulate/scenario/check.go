package scenario

import (
	"fmt"
	"math"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/problem"
)

// mistake is what is wrong with a scenario, and where in its document.
type mistake struct{ path, message, hint string }

// Check reports what is wrong with a scenario that was not read from a file. The
// scenario must be Filled.
func (s Scenario) Check() error {
	all := s.numbers()
	if len(all) == 0 {
		all = s.mistakes()
	}
	if len(all) == 0 {
		return nil
	}
	m := all[0]
	return problem.New(problem.Invalid, "scenario %q: %s: %s; %s", s.Name, m.path, m.message, m.hint)
}

// numbers reads each number as if it stood in a file, so that the bounds of the
// table hold for scenarios of every origin.
func (s Scenario) numbers() []mistake {
	w := writtenOf(s)
	text := scenarioShape.Encode(&w).YAML()
	roots, problems := document.Read(s.Name, []byte(text))
	if len(problems) == 0 && len(roots) == 1 {
		problems = again(s.Name, roots[0])
	}
	out := make([]mistake, len(problems))
	for i, p := range problems {
		out[i] = mistake{p.Path, p.Message, p.Hint}
	}
	return out
}

// mistakes are what the bounds of single values do not tell.
func (s Scenario) mistakes() []mistake {
	c := &checker{Scenario: s}
	if l := s.Baseline.Latency; l.Slow+l.Heavy > 1 {
		c.report("spec.baseline.latency", "write shares that add up to 100% at most", "slow and heavy are more than all requests together")
	}
	sum := 0.0
	for _, share := range s.Traffic.Segments {
		sum += share
	}
	if sum > 1+1e-9 {
		c.report("spec.traffic.segments", "write shares that add up to 100% at most", "the segments add up to %s", percent(math.Round(sum*1e6)/1e6))
	}
	c.outcomes()
	c.scores()
	for i := range s.Effects {
		c.effect(&s.Effects[i], document.Index("spec.effects", i))
	}
	c.memory()
	return c.found
}

type checker struct {
	Scenario
	found []mistake
}

func (c *checker) report(path, hint, format string, args ...any) {
	c.found = append(c.found, mistake{path, fmt.Sprintf(format, args...), hint})
}

func (c *checker) outcomes() {
	seen := map[string]bool{}
	for i, o := range c.Baseline.Outcomes {
		path := document.Index("spec.baseline.outcomes", i)
		if seen[o.Name] {
			c.report(path+".name", "keep one of them", "there are two outcomes named %s", value.Quote(o.Name))
		}
		seen[o.Name] = true
		if o.Sigma > 0 && o.Mean == 0 {
			c.report(path+".sigma", "write a mean, or leave sigma out", "it has no place without a mean")
		}
		if o.Spread > 0 && o.Delay == 0 {
			c.report(path+".spread", "write a delay, or leave spread out", "it has no place without a delay")
		}
	}
}

func (c *checker) scores() {
	for i, s := range c.Baseline.Scores {
		path := document.Index("spec.baseline.scores", i)
		beta := s.Alpha != 0 || s.Beta != 0
		switch {
		case beta && (s.Alpha == 0 || s.Beta == 0):
			c.report(path, "write both alpha and beta", "a beta distribution has two parameters")
		case beta && (s.Mean != 0 || s.Deviation != 0):
			c.report(path, "write mean and deviation, or alpha and beta", "it is normal and beta at once")
		case !beta && s.Deviation == 0:
			c.report(path, "write mean and deviation, or alpha and beta", "the score has no distribution")
		}
	}
}

// effect checks one effect.
func (c *checker) effect(e *Effect, path string) {
	if e.nothing() {
		c.report(path, "write what changes, such as errors: x2", "the effect changes nothing")
	}
	if e.Latency.None() && (e.Slowest > 0 || e.Portion > 0) {
		c.report(path, "write latency: and how it changes", "slowest and portion say which latencies change")
	}
	if e.Slowest > 0 && e.Portion > 0 {
		c.report(path, "write one of them", "slowest and portion exclude each other")
	}
	if !e.Latency.None() && (e.Latency.Add != 0 || e.Latency.Relative <= -1) {
		c.report(path+".latency", "write one such as +20% or x2", "a latency changes by a factor above zero")
	}
	for name, change := range map[string]Change{"revenue": e.Revenue, "delay": e.Delay, "gauges": e.Gauges, "traffic": e.Traffic} {
		if change.Add != 0 {
			c.report(path+"."+name, "write one such as -15% or x2", "percentage points have no meaning here")
		}
	}
	if !e.Traffic.None() && e.Arm != Both {
		c.report(path+".traffic", "write arm: both", "the traffic of one arm alone cannot change")
	}
	if e.FullAt > 0 && e.Above >= e.FullAt {
		c.report(path+".above", "write less than fullAt", "the effect would begin at %s and be whole at %s", percent(e.Above), percent(e.FullAt))
	}
	c.named(e, path)
}

// named checks the outcomes that an effect names.
func (c *checker) named(e *Effect, path string) {
	names := make([]string, len(c.Baseline.Outcomes))
	for i, o := range c.Baseline.Outcomes {
		names[i] = o.Name
	}
	for i, o := range e.Outcomes {
		at := document.Index(path+".outcomes", i)
		known := false
		for _, name := range names {
			known = known || name == o.Name
		}
		if !known {
			hint := "write it under baseline.outcomes"
			if near := value.Nearest(o.Name, names); near != "" {
				hint = "did you mean " + value.Quote(near) + "?"
			}
			c.report(at+".name", hint, "the baseline has no outcome named %s", value.Quote(o.Name))
		}
		if o.Mean.Add != 0 || o.Delay.Add != 0 {
			c.report(at, "write one such as -15% or x2", "percentage points have no meaning for a mean or a delay")
		}
	}
}

// nothing reports whether an effect changes nothing.
func (e *Effect) nothing() bool {
	for _, c := range []Change{e.Errors, e.ClientErrors, e.Latency, e.Conversion, e.Quality, e.Revenue, e.Delay, e.Gauges, e.Traffic} {
		if !c.None() {
			return false
		}
	}
	for _, o := range e.Outcomes {
		if !o.Rate.None() || !o.Mean.None() || !o.Delay.None() {
			return false
		}
	}
	return e.Scores == 0
}

// MostWaiting bounds the reports that are on their way at a time.
const MostWaiting = 10_000_000

// memory checks that the reports on their way fit into memory.
func (c *checker) memory() {
	waiting := 0.0
	for _, o := range c.Baseline.Outcomes {
		waiting += c.Traffic.Rate * o.Reported * o.Delay.Seconds()
	}
	if waiting > MostWaiting {
		c.report("spec.baseline.outcomes", "write a smaller rate, a shorter delay, or reported: for the share of requests with a report",
			"%.0f reports would be on their way at a time, more than %d", math.Round(waiting), MostWaiting)
	}
}

func percent(v float64) string { return value.Fraction(v).String() }
