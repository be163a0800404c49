package spec

import (
	"fmt"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// planChecker checks what shows only when a plan has everything it inherits.
type planChecker struct {
	*flat
	// owner is the document that the plan is for; it answers for what nobody wrote.
	owner *Source
	// partial plans may leave their stages to who extends them.
	partial  bool
	problems Problems
	warnings []Warning
}

func (c *planChecker) report(path, message, hint string) {
	source, at := c.where(path)
	if source == nil {
		source = c.owner
	}
	c.problems = append(c.problems, source.Problem(at, message, hint))
}

func (c *planChecker) warn(caution Caution, path, message, hint string) {
	source, at := c.where(path)
	if source == nil || source.preset {
		source, at = c.owner, "spec"
	}
	c.warnings = append(c.warnings, Warning{caution, source.Problem(at, message, hint)})
}

// ladder is the stages of one environment and their path in the plan.
type ladder struct {
	path   string
	stages []Stage
}

func (f *flat) ladders() []ladder {
	if f.Stages != nil {
		return []ladder{{"stages", f.Stages}}
	}
	list := make([]ladder, len(f.Environments))
	for i, e := range f.Environments {
		list[i] = ladder{document.Index("environments", i) + ".stages", e.Stages}
	}
	return list
}

// check checks the whole plan.
func (c *planChecker) check() {
	if len(c.Stages) == 0 && len(c.Environments) == 0 {
		if !c.partial {
			c.report("stages", "there are no stages", "write them, or extend a policy that has them, such as standard")
		}
		return
	}
	c.gatesAndStages()
	c.totals()
	c.warmup()
	c.guards()
}

// weights returns the planned weights.
func (f *flat) weights() []Weight {
	var list []Weight
	for _, l := range f.ladders() {
		for _, s := range l.stages {
			if s.Weight != nil {
				list = append(list, *s.Weight)
			}
		}
	}
	return list
}

// dwellOf returns the dwell of a stage, filled in.
func dwellOf(s Stage) time.Duration {
	if s.Dwell == nil {
		return defaultDwell
	}
	return *s.Dwell
}

// gatesAndStages checks what gates say of stages.
func (c *planChecker) gatesAndStages() {
	planned := c.weights()
	for i, g := range c.Gates {
		path := document.Index("gates", i)
		if g.From != nil {
			c.from(path, *g.From, planned)
			continue
		}
		if g.Horizon == nil {
			continue
		}
		for _, l := range c.ladders() {
			for j, s := range l.stages {
				if s.Weight != nil && dwellOf(s) < *g.Horizon {
					c.report(path+".horizon", fmt.Sprintf("%s is longer than the dwell of the stage at %s (%s), so that the gate cannot be decided there",
						FormatDuration(*g.Horizon), *s.Weight, FormatDuration(dwellOf(s))),
						"write `from:` with the weight at which the gate begins, or a longer dwell at "+document.Index(l.path, j))
					return
				}
			}
		}
	}
}

func (c *planChecker) from(path string, from Weight, planned []Weight) {
	words := make([]string, len(planned))
	for i, w := range planned {
		if w == from {
			return
		}
		words[i] = w.String()
	}
	c.report(path+".from", fmt.Sprintf("%s is no planned weight", from), "write one of "+strings.Join(words, ", "))
}

// totals warns of totals that are compared as if they were levels.
func (c *planChecker) totals() {
	for i, g := range c.Gates {
		if g.Source != SourceScrape {
			continue
		}
		q, err := query.Parse(g.Query)
		if err != nil {
			continue // Told where the gate is checked by itself.
		}
		for _, name := range q.Totals() {
			c.warn(CountsUp, document.Index("gates", i)+".query",
				name+" counts up since its server was started, which says nothing of now", "write rate("+name+")")
		}
	}
}

// warmup checks that something is left of each stage.
func (c *planChecker) warmup() {
	if c.Warmup == nil {
		return
	}
	for _, l := range c.ladders() {
		for _, s := range l.stages {
			if s.Weight != nil && *c.Warmup >= dwellOf(s) {
				c.report("warmup", fmt.Sprintf("%s is not shorter than the dwell of the stage at %s (%s)",
					FormatDuration(*c.Warmup), *s.Weight, FormatDuration(dwellOf(s))), "write a shorter one, or leave it out")
				return
			}
		}
	}
}

// guards warns of plans that nothing guards, and of too many gates.
func (c *planChecker) guards() {
	deciding, guarding := 0, 0
	for _, g := range c.Gates {
		if g.Role == RoleInfo {
			continue
		}
		deciding++
		if m, _ := metricOf(g); onFailOf(g, m) != OnFailHold {
			guarding++
		}
	}
	auto := c.Rollback == nil || c.Rollback.Auto == nil || *c.Rollback.Auto
	switch {
	case guarding == 0:
		c.warn(Unguarded, "gates", "UNGUARDED: no gate can roll the rollout back", "write a gate with onFail: rollback, such as {metric: error_rate, maxIncrease: 20%}")
	case !auto:
		c.warn(Unguarded, "rollback.auto", "UNGUARDED: harm does not roll the rollout back by itself", "write auto: true")
	}
	if deciding > manyGates {
		c.warn(ManyGates, "gates", fmt.Sprintf("%d gates decide; with each one more all need more traffic", deciding),
			"keep the three to five that matter, and give the others role: info")
	}
	c.guardAtEnd()
}

// guardAtEnd warns when the last stage compares nothing.
func (c *planChecker) guardAtEnd() {
	ladders := c.ladders()
	if len(ladders) == 0 || len(ladders[len(ladders)-1].stages) == 0 {
		return
	}
	last := ladders[len(ladders)-1]
	i := len(last.stages) - 1
	if s := last.stages[i]; s.Weight != nil && *s.Weight == Whole && (s.Holdback == nil || *s.Holdback == 0) {
		c.warn(UnguardedAtEnd, document.Index(last.path, i), "UNGUARDED at 100%: without holdback nothing is left to compare with; only max, min and the cut-off guard",
			"write holdback: 1%")
	}
}
