package report

import (
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/draw"
)

// Page is the page of Markdown.
func (r *Results) Page() string {
	var b strings.Builder
	b.WriteString("<!-- Written by bench/decisions; edit that. -->\n# Decision rules compared\n\n")
	fmt.Fprintf(&b, intro, len(corpus.Cases()), len(corpus.Rates))
	b.WriteString("\n## What must hold\n\n")
	b.WriteString(r.claims())
	b.WriteString("\n" + howRead)
	for _, section := range []func(*strings.Builder){r.rollbackSection, r.marginSection, r.criticalSection, r.harmSection, r.weakSection, r.caseSection} {
		section(&b)
	}
	fmt.Fprintf(&b, method, ruleList(r), r.Command, r.Seed, r.Reps, 2*r.Reps, r.Others)
	return b.String()
}

const intro = `Belay's decisions and those that other tools would make, on the same simulated traffic: %d cases (nothing changed, improvements,
regressions of errors, latency, conversion, revenue and quality), each at %d rates of requests. Belay's side is the code that production
runs; the others are their published decision rules, rebuilt and tested against their descriptions, not the products themselves. What is
simplified, and what was chosen in favour of the others, is at the end.
`

const howRead = `A claim about a rate is broken when the lower 99 % limit (Clopper and Pearson) of what was measured lies above its bound; a claim over
several cells when that is so in any of them.
`

func (r *Results) claims() string {
	t := draw.NewTable("claim", "measured", "holds")
	for _, c := range r.Claims() {
		holds := "yes"
		if !c.Holds {
			holds = "**no**"
		}
		t.Row(c.Text, c.Measured, holds)
	}
	var b strings.Builder
	b.WriteString(t.String())
	for _, c := range r.Claims() {
		if len(c.Broken) > 0 {
			fmt.Fprintf(&b, "\nNot within the bound by themselves (%s): %s.\n", c.Text, strings.Join(c.Broken, "; "))
		}
	}
	return b.String()
}

func (r *Results) figure(b *strings.Builder, file string) {
	for _, f := range r.Figures() {
		if f.File == file {
			fmt.Fprintf(b, "\n![%s](%s)\n", f.Alt, f.File)
		}
	}
}

// byRule is a table of a mean and a worst share for each rule and rate.
func (r *Results) byRule(class corpus.Class, count func(*contest.Tally) int) string {
	head := []string{"rule"}
	for _, rate := range corpus.Rates {
		head = append(head, perMinute(rate)+": mean", "worst case")
	}
	t := draw.NewTable(head...)
	for _, name := range r.Rules {
		row := []string{bold(name)}
		for _, rate := range corpus.Rates {
			row = append(row, percent(r.mean(name, rate, class, count)), percent(r.worst(name, rate, class, count)))
		}
		t.Row(row...)
	}
	return t.String()
}

func bold(name string) string {
	if name == contest.BelayName {
		return "**" + name + "**"
	}
	return name
}

func (r *Results) rollbackSection(b *strings.Builder) {
	b.WriteString("\n## False rollback\n\nOf candidates that are no worse than the baseline, how many are rolled back. The mean is over the cases.\n")
	r.figure(b, "decisions-false-rollback.svg")
	b.WriteString("\n" + r.byRule(corpus.NoChange, func(t *contest.Tally) int { return t.RolledBack }))
	b.WriteString("\nBelay, case by case: rolled back, and held for a person because a margin could not be proven within `maxDuration`; the rest was promoted.\n\n")
	t := draw.NewTable(append([]string{"case"}, double("rolled back", "held")...)...)
	for _, c := range ofClass(corpus.NoChange) {
		r.caseRow(t, c.Name, func(t *contest.Tally) []string {
			return []string{fmt.Sprintf("%d of %d", t.RolledBack, t.Reps), percent(share(t.Held, t.Reps))}
		}, 2)
	}
	b.WriteString(t.String())
	b.WriteString("\nNothing is promised where failures come in bursts at one arm alone: it looks like a candidate that fails at times, because it is one.\n\n")
	t = draw.NewTable(append([]string{"case"}, double("rolled back", "held")...)...)
	for _, c := range ofClass(corpus.Reported) {
		r.caseRow(t, c.Name, func(t *contest.Tally) []string {
			return []string{fmt.Sprintf("%d of %d", t.RolledBack, t.Reps), percent(share(t.Held, t.Reps))}
		}, 2)
	}
	b.WriteString(t.String())
}

// double is a pair of heads for each rate.
func double(a, b string) []string {
	var out []string
	for _, rate := range corpus.Rates {
		out = append(out, perMinute(rate)+": "+a, b)
	}
	return out
}

func ofClass(class corpus.Class) []corpus.Case {
	var out []corpus.Case
	for _, c := range corpus.Cases() {
		if c.Class == class {
			out = append(out, c)
		}
	}
	return out
}

// cell returns a cell.
func (r *Results) cell(name string, rate int) *contest.Cell {
	for i := range r.Cells {
		if r.Cells[i].Case == name && r.Cells[i].Rate == rate {
			return &r.Cells[i]
		}
	}
	return nil
}

// caseRow adds a row of what Belay did in a case at each rate, if it was run.
func (r *Results) caseRow(t *draw.Table, name string, show func(*contest.Tally) []string, width int) {
	row, played := []string{name}, false
	for _, rate := range corpus.Rates {
		cells := make([]string, width)
		if c := r.cell(name, rate); c != nil && c.Rules[contest.BelayName] != nil {
			cells, played = show(c.Rules[contest.BelayName]), true
		}
		row = append(row, cells...)
	}
	if played {
		t.Row(row...)
	}
}

func (r *Results) marginSection(b *strings.Builder) {
	b.WriteString("\n## False promotion\n\nOf candidates that are worse by exactly the margin, how many get all of the traffic. A rule that rolls them back early is not wrong.\n")
	r.figure(b, "decisions-false-promotion.svg")
	b.WriteString("\n" + r.byRule(corpus.AtMargin, func(t *contest.Tally) int { return t.Whole }))
	b.WriteString("\nBelay, case by case: given all of the traffic, and rolled back; the rest was held for a person.\n\n")
	t := draw.NewTable(append([]string{"case"}, double("all traffic", "rolled back")...)...)
	for _, c := range ofClass(corpus.AtMargin) {
		r.caseRow(t, c.Name, func(t *contest.Tally) []string {
			return []string{fmt.Sprintf("%d of %d", t.Whole, t.Reps), percent(share(t.RolledBack, t.Reps))}
		}, 2)
	}
	b.WriteString(t.String())
}

func (r *Results) criticalSection(b *strings.Builder) {
	b.WriteString("\n## Critical regressions\n\nCritical by definition: failures x5 or more, p99 x2 or more, conversion -30 % or more, at the full size of the effect. Caught early: stopped while the candidate never had more than 10 % of the traffic.\n")
	r.figure(b, "decisions-caught.svg")
	t := draw.NewTable("rule", "critical, caught early", "all regressions, caught early", "stopped at all")
	for _, name := range r.Rules {
		t.Row(bold(name), percent(r.early(name, func(c *contest.Cell) bool { return c.Critical })),
			percent(r.early(name, func(*contest.Cell) bool { return true })), percent(1-r.promoted(name)))
	}
	b.WriteString("\n" + t.String())
	b.WriteString("\nBelay, cell by cell: caught early, and the median of the minutes from the first harm to the rollback.\n\n")
	t = draw.NewTable(append([]string{"case"}, double("early", "median")...)...)
	for _, c := range ofClass(corpus.Harm) {
		if found := r.any(c.Name); found != nil && found.Critical {
			r.caseRow(t, c.Name, func(t *contest.Tally) []string {
				return []string{percent(share(t.Early, t.Reps)), minutes(t)}
			}, 2)
		}
	}
	b.WriteString(t.String())
	r.uncounted(b)
}

func minutes(t *contest.Tally) string {
	if len(t.Minutes) == 0 {
		return "–"
	}
	return span(t.Median())
}

// any is a cell of a case at whatever rate.
func (r *Results) any(name string) *contest.Cell {
	for _, rate := range corpus.Rates {
		if c := r.cell(name, rate); c != nil {
			return c
		}
	}
	return nil
}

// promoted is the mean share of harm that is promoted.
func (r *Results) promoted(rule string) float64 {
	sum, n := 0.0, 0
	r.of(corpus.Harm, func(c *contest.Cell) {
		if t := c.Rules[rule]; t != nil {
			sum, n = sum+share(t.Promoted, t.Reps), n+1
		}
	})
	return sum / float64(n)
}

// uncounted lists the critical cells that the planner does not expect to be caught
// early.
func (r *Results) uncounted(b *strings.Builder) {
	t := draw.NewTable("case", "rate", "possible by the plan", "caught early")
	some := false
	r.of(corpus.Harm, func(c *contest.Cell) {
		own := c.Rules[contest.BelayName]
		if !c.Critical || own == nil || r.counted(c) {
			return
		}
		p, _ := r.Possible(c)
		some = true
		t.Row(c.Case, perMinute(c.Rate), percent(p), fmt.Sprintf("%d of %d", own.Early, own.Reps))
	})
	if some {
		b.WriteString("\nNot counted above, because the planner gives less than 95 % for it in the default ladder:\n\n" + t.String())
	}
}

func (r *Results) harmSection(b *strings.Builder) {
	b.WriteString("\n## Requests harmed\n\n" + harmIntro)
	r.figure(b, "decisions-harm.svg")
	b.WriteString("\nFailures beyond the baseline's, fewer than when all is switched at once:\n\n" + r.savedTable(failures, failedUsers))
	b.WriteString("\nAll harm, less than when all is switched at once:\n\n" + r.savedTable(harmed, users))
	r.figure(b, "decisions-time.svg")
	head := []string{"rule"}
	for _, rate := range corpus.Rates {
		head = append(head, perMinute(rate))
	}
	t := draw.NewTable(head...)
	for _, name := range r.Rules {
		row := []string{bold(name)}
		for _, rate := range corpus.Rates {
			text := "–"
			if at := r.median(name, rate); at > 0 {
				text = span(at)
			}
			row = append(row, text)
		}
		t.Row(row...)
	}
	b.WriteString("\nMedian time from the first harm to the rollback, of what was rolled back:\n\n" + t.String())
}

// savedTable is how much of a harm each rule prevents, at each rate and over all, in
// all regressions and in the critical ones, and how much in users.
func (r *Results) savedTable(requests, people func(*contest.Tally) float64) string {
	head := []string{"rule"}
	for _, of := range []string{"", "critical, "} {
		for _, rate := range corpus.Rates {
			head = append(head, of+perMinute(rate))
		}
		head = append(head, of+"all rates")
	}
	t := draw.NewTable(append(head, "users, where they come back")...)
	for _, name := range r.Rules {
		row := []string{bold(name)}
		for _, chosen := range []func(*contest.Cell) bool{every, critical} {
			for _, rate := range corpus.Rates {
				s, _ := r.Saved(name, func(c *contest.Cell) bool { return c.Rate == rate && chosen(c) }, requests)
				row = append(row, fine(s))
			}
			s, _ := r.Saved(name, chosen, requests)
			row = append(row, fine(s))
		}
		s, _ := r.Saved(name, sticky, people)
		t.Row(append(row, fine(s))...)
	}
	return t.String()
}

const harmIntro = `What is claimed counts failures alone: requests that fail and would not have failed at the baseline. *All harm* is wider: also
requests that take longer than the baseline's usual 99th percentile and would not have, and those that come to no success (a conversion, a
right answer) and would have; worth that is lost counts in whole purchases. These are expected numbers, given the weights that a rule chose: until it rolled back and, if it promoted, for 24 hours
after that. "All at once" serves the bad version for 24 hours.
`

// often is the share from which something is worth a line.
const often = 0.2

func (r *Results) weakSection(b *strings.Builder) {
	b.WriteString("\n## Where Belay is weak\n\n")
	var lines []string
	r.of(corpus.NoChange, func(c *contest.Cell) {
		if t := c.Rules[contest.BelayName]; t != nil && share(t.Held, t.Reps) > often {
			lines = append(lines, fmt.Sprintf("- %s at %s: nothing is wrong, and %s of the rollouts wait for a person at 50 %%, because the margin could not be proven in time.", c.Case, perMinute(c.Rate), percent(share(t.Held, t.Reps))))
		}
	})
	r.of(corpus.Harm, func(c *contest.Cell) {
		t := c.Rules[contest.BelayName]
		if t == nil {
			return
		}
		if t.Promoted > 0 {
			lines = append(lines, fmt.Sprintf("- %s at %s: %d of %d were promoted.", c.Case, perMinute(c.Rate), t.Promoted, t.Reps))
		}
		if t.Held > 0 {
			lines = append(lines, fmt.Sprintf("- %s at %s: %d of %d were neither rolled back nor promoted, but held at the weight they had.", c.Case, perMinute(c.Rate), t.Held, t.Reps))
		}
		for name, o := range c.Rules {
			if name != contest.BelayName && name != allAtOnce && r.trustworthy(name, c.Rate) && harmed(t) > 2*harmed(o) {
				lines = append(lines, fmt.Sprintf("- %s at %s: %s harms %s requests, Belay %s.", c.Case, perMinute(c.Rate), name, draw.Thousands(int(harmed(o))), draw.Thousands(int(harmed(t)))))
			}
		}
	})
	if len(lines) == 0 {
		lines = []string{"Nothing in this corpus."}
	}
	b.WriteString(weakIntro + "\n" + strings.Join(sorted(lines), "\n") + "\n")
}

const weakIntro = `Everything in which Belay did not do what one would wish, and every regression in which a rule that rolls back at most 5 % of the
good candidates at that rate does half the harm or less.
`

// trustworthy reports whether a rule rolls back few enough good candidates at a
// rate to be worth a comparison.
func (r *Results) trustworthy(name string, rate int) bool {
	return r.worst(name, rate, corpus.NoChange, func(t *contest.Tally) int { return t.RolledBack }) <= Alpha
}

func (r *Results) caseSection(b *strings.Builder) {
	b.WriteString("\n## All regressions\n\nBelay: stopped at all, and the mean of the requests harmed against those of \"all at once\".\n\n")
	t := draw.NewTable(append([]string{"case"}, double("stopped", "harm")...)...)
	for _, class := range []corpus.Class{corpus.Harm, corpus.Drift} {
		for _, c := range ofClass(class) {
			row, played := []string{c.Name}, false
			for _, rate := range corpus.Rates {
				stopped, harm := "", ""
				if cell := r.cell(c.Name, rate); cell != nil && cell.Rules[contest.BelayName] != nil {
					own := cell.Rules[contest.BelayName]
					played = true
					stopped = percent(share(own.Reps-own.Promoted, own.Reps))
					if once := cell.Rules[allAtOnce]; once != nil && once.Harmed > 0 {
						harm = percentOf(harmed(own) / harmed(once))
					}
				}
				row = append(row, stopped, harm)
			}
			if played {
				t.Row(row...)
			}
		}
	}
	b.WriteString(t.String())
	b.WriteString("\nWhat happens in each case:\n\n")
	for _, c := range corpus.Cases() {
		if r.any(c.Name) != nil {
			fmt.Fprintf(b, "- `%s` (%s): %s\n", c.Name, c.Class, c.About)
		}
	}
}

func ruleList(r *Results) string {
	var b strings.Builder
	for _, k := range rule.Kinds() {
		fmt.Fprintf(&b, "- %s: %s.\n", k.Name, k.About)
	}
	return b.String()
}

const method = `
## How this was measured

The other rules:

%s
Belay runs the preset ` + "`standard`" + ` (1, 10, 25, 50, 100 %% with 2 hours each, 1 %% held back, errors +20 %% ignored below 0.1 %%, p99 +10 %%); where
applications report outcomes, with gates on conversion (-5 %%), revenue (-5 %%, no condition of promotion) and right answers (-2 points)
beside them; scores with a gate on their drift, which holds. Others judge the same metrics: failures and p99 of the last minute, business
metrics of the last hour where a tool judges windows. Absolute limits are those of a service level with room: twice the usual failures,
1.5 times the usual p99, 0.8 of the usual conversion, 0.7 of the revenue, 0.95 of the right answers.

In each repetition all rules run beside each other, minute by minute, in one draw of the scenario's world; rules that have asked for the
same weights so far see the very same requests. The traffic is drawn as counts, with the distribution that single requests would have
(` + "`bench/decisions/stream`" + `, checked against the stream of single requests that ` + "`belay simulate`" + ` uses). Belay looks once a minute for the first half hour
of a stage, then every 2, 5, 15 and at last 30 minutes, where production looks every second; its router's own cut-off and shield are left
out. Both would help it.

In favour of the others: errors of a query are retried once a minute and not every ten seconds; Kayenta's roots are exact; GrowthBook's
longest duration is a day and not a week, and its analysis by user knows how much users differ; LaunchDarkly's stages are judged one by
one; the z-test starts anew with each step.

Written by

    %s

with seed %d. Belay played each regression %d times and each case of no change or at the margin %d times at each rate; the others %d times.
The same seed gives the same page.
`
