package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/simulate"
)

func columns(rows [][]string) []string { return frame.Columns(rows) }

// simulatedTable draws the results of one rollout, a scenario a line.
func simulatedTable(r *simulatedRollout, wide bool) []string {
	head := []string{"SCENARIO", "ROLLED BACK", "PROMOTED", "HELD", "AFTER p50 / p90", "EXPOSED p50 / p90", "HARMED p50 / p90", "CAUSE"}
	if wide {
		head = append(head, "BACK BY 10%", "USERS p50 / p90", "FAILED", "SLOWED", "WORSE", "REPS")
	}
	rows := [][]string{head}
	for i := range r.Results {
		x := &r.Results[i]
		row := []string{
			x.Scenario, share(x.RolledBack), share(x.Promoted), share(x.Held),
			after(x), numbers(x.Exposed), numbers(x.Harmed), causesOf(x),
		}
		if wide {
			users := "-"
			if x.Users != nil {
				users = numbers(*x.Users)
			}
			row = append(row, share(x.Early), users, mean(x.Failed), mean(x.Slowed), mean(x.Worse), frame.Count(x.Reps))
		}
		rows = append(rows, row)
	}
	title := fmt.Sprintf("rollout %s, policy %s, %s requests a second", r.Rollout, r.Policy, decimal(r.Rate))
	if r.Rollout == r.Policy {
		title = fmt.Sprintf("policy %s, %s requests a second", r.Policy, decimal(r.Rate))
	}
	return append([]string{title}, columns(rows)...)
}

// share writes a rate with the interval that it is known to.
func share(r simulate.Rate) string {
	return fmt.Sprintf("%s (%s-%s)", whole(r.Share), strings.TrimSuffix(whole(r.Lower), "%"), whole(r.Upper))
}

// whole writes a share as a percentage of two digits.
func whole(p float64) string {
	if p > 0 && p < 0.0995 {
		return fmt.Sprintf("%.1f%%", 100*p)
	}
	return fmt.Sprintf("%.0f%%", 100*p)
}

func decimal(v float64) string {
	if v == float64(int64(v)) {
		return frame.Count(v)
	}
	return fmt.Sprintf("%.3g", v)
}

// after is when the rollouts were decided: those that ended as most did.
func after(r *simulate.Result) string {
	q, most := r.ToHold, r.Held.Count
	if r.Promoted.Count >= most && r.ToPromotion != nil {
		q, most = r.ToPromotion, r.Promoted.Count
	}
	if r.RolledBack.Count >= most && r.ToRollback != nil {
		q = r.ToRollback
	}
	if q == nil {
		return "-"
	}
	return span(q.P50) + " / " + span(q.P90)
}

func span(seconds float64) string {
	return frame.Span(time.Duration(seconds * float64(time.Second)))
}

func numbers(q simulate.Quantiles) string {
	if q.Max == 0 {
		return "0"
	}
	return frame.Count(q.P50) + " / " + frame.Count(q.P90)
}

func mean(q simulate.Quantiles) string { return decimal(q.Mean) }

// causesOf says what rolled back or held, the most frequent first.
func causesOf(r *simulate.Result) string {
	var out []string
	for _, c := range r.Causes {
		if c.Ending == simulate.Promoted {
			continue
		}
		name := c.Gate
		if name == "" {
			name = c.Reason
		}
		if c.Ending == simulate.Held {
			name += " (held)"
		}
		if n := float64(c.Count) / float64(r.Reps); n < 1 {
			name += " " + whole(n)
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}

// simulatedNotes are what a reader should know besides the table.
func simulatedNotes(s *simulated, took time.Duration) []string {
	var out []string
	var requests float64
	least := 0
	for i := range s.Rollouts {
		for j := range s.Rollouts[i].Results {
			r := &s.Rollouts[i].Results[j]
			for _, n := range r.Notes {
				if note := "note: " + n; !slices.Contains(out, note) {
					out = append(out, note)
				}
			}
			requests += float64(r.Requests)
			if least == 0 || r.Reps < least {
				least = r.Reps
			}
		}
	}
	if least == 0 {
		return out
	}
	seed := s.Rollouts[0].Results[0].Seed
	// What never happened in n rollouts happens in at most this share of them.
	bound := simulate.NewRate(0, least, 0.05).Upper
	return append(out,
		fmt.Sprintf("%s of each scenario, seed %d; in brackets the 95%% interval: what was never seen may still happen in %s of all rollouts (more: --reps)",
			frame.Things(least, "rollout"), seed, whole(bound)),
		fmt.Sprintf("%s simulated in %s", frame.Things(requests, "request"), frame.Span(took)))
}

// progress draws a bar on standard error, where that is a terminal.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	drawn int
	last  time.Time
	now   func() time.Time
}

const (
	barWidth  = 20
	redrawnAt = 100 * time.Millisecond
)

// progress returns a bar, or nil where nobody would see it.
func (s *session) progress() *progress {
	f, isFile := s.err.(*os.File)
	if !isFile || !term.IsTerminal(f.Fd()) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &progress{out: s.err, now: s.now}
}

// of returns what draws the progress of one scenario of several.
func (p *progress) of(name string, index, of int) func(done, all int) {
	if p == nil {
		return nil
	}
	p.draw(barText(name, index, of, 0, 1))
	return func(done, all int) {
		if now := p.now(); now.Sub(p.last) >= redrawnAt || done == all {
			p.last = now
			p.draw(barText(name, index, of, done, all))
		}
	}
}

// barText is the bar after some rollouts of a scenario.
func barText(name string, index, of, done, all int) string {
	part := (float64(index) + float64(done)/float64(all)) / float64(of)
	full := int(part * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f%%  %s %d/%d", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*part, name, done, all)
}

// draw puts a text in the place of the one before.
func (p *progress) draw(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "\r%s%s", text, strings.Repeat(" ", max(0, p.drawn-len(text)))) // There is nobody else to tell.
	p.drawn = len(text)
}

// end wipes the bar.
func (p *progress) end() {
	if p == nil || p.drawn == 0 {
		return
	}
	p.draw("")
	_, _ = fmt.Fprint(p.out, "\r") // As above.
}
