package corpus

import (
	"embed"
	"fmt"
	"slices"
	"sync"

	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// Class is what a case is to show.
type Class string

// The classes.
const (
	// NoChange is a candidate that is no worse than the baseline: to roll it back
	// is wrong.
	NoChange Class = "no change"
	// Reported is one without harm of which nothing is promised.
	Reported Class = "reported"
	// AtMargin is a candidate that is worse by exactly the margin: to promote it
	// is wrong.
	AtMargin Class = "at the margin"
	// Harm is a candidate that is worse than the margin.
	Harm Class = "harm"
	// Drift is a candidate that answers otherwise, which is for a person to judge.
	Drift Class = "drift"
)

// Case is a scenario and what it is to show.
type Case struct {
	scenario.Scenario
	Class  Class
	Policy string
	Judged []rule.Metric
}

// Sticky reports whether units of the case come back.
func (c *Case) Sticky() bool { return c.Traffic.Users != nil }

// Rates are the requests a minute at which each case is run.
var Rates = []int{600, 6000, 60000}

// At returns the case at a rate of requests a minute.
func (c Case) At(rate int) Case {
	c.Traffic.Rate = float64(rate) / 60
	return c
}

//go:embed technical.yaml users.yaml business.yaml
var files embed.FS

// kinds says what the cases show that are not of class Harm.
var kinds = map[Class][]string{
	NoChange: {
		"technical", "business", "bimodal", "heavy-tail", "rare-errors", "below-notice", "daily", "bursts", "sticky", "sticky-days",
		"heavy-users", "sticky-business", "delayed", "shared-incident", "shared-incident-at-a-step", "shared-outage", "drifting-baseline",
		"slower-labels", "improvement", "improved-errors", "scored",
	},
	Reported: {"bursts-of-one"},
	AtMargin: {
		"errors-at-the-margin", "latency-at-the-margin", "both-at-the-margin", "errors-at-the-level", "conversion-at-the-margin",
		"quality-at-the-margin", "sticky-errors-at-the-margin",
	},
	Drift: {"drift", "drift-far"},
}

// Cases returns all cases, in the order of the files.
func Cases() []Case { return slices.Clone(cases()) }

var cases = sync.OnceValue(func() []Case {
	var out []Case
	for _, name := range []string{"technical.yaml", "users.yaml", "business.yaml"} {
		scenarios, err := read(name)
		if err != nil {
			panic("corpus: " + err.Error()) // A test reads the files.
		}
		for _, s := range scenarios {
			out = append(out, caseOf(s))
		}
	}
	return out
})

func read(name string) ([]scenario.Scenario, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return scenario.Parse(name, data)
}

func caseOf(s scenario.Scenario) Case {
	c := Case{Scenario: s, Class: Harm, Policy: Technical, Judged: []rule.Metric{rule.Errors, rule.Latency}}
	for class, names := range kinds {
		if slices.Contains(names, s.Name) {
			c.Class = class
		}
	}
	switch {
	case len(s.Baseline.Scores) > 0:
		c.Policy = Scored
	case len(s.Baseline.Outcomes) > 0:
		c.Policy = Business
		c.Judged = append(c.Judged, rule.Conversion, rule.Revenue, rule.Quality)
	}
	return c
}

// Find returns the case of a name.
func Find(name string) (Case, error) {
	all := cases()
	i := slices.IndexFunc(all, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return Case{}, fmt.Errorf("there is no case named %q", name)
	}
	return all[i], nil
}
