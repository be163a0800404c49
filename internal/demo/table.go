package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belay-rollouts/belay/client"
)

// table writes the endings side by side.
func (n *narrator) table(r Result) {
	head := []string{"VERSION", "WHAT IT IS", "VERDICT", "GATE", "STAGE", "REQUESTS", "UNITS", "LAST REQ", "OK"}
	rows := [][]string{head}
	for _, e := range r.Endings {
		rows = append(rows, row(e))
	}
	widths, total := make([]int, len(head)), -gap
	for i := range head {
		for _, cells := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		total += widths[i] + gap
	}
	if n.opts.Width > 0 && total > n.opts.Width {
		widths[whatColumn] = 0 // It has been told above.
	}
	n.wipe()
	for i, cells := range rows {
		s := bold
		if i > 0 {
			s = plain
			if !r.Endings[i-1].AsExpected() {
				s = bad
			}
		}
		n.write(n.paint(s, strings.TrimRight(pad(cells, widths), " ")) + "\n")
	}
}

func row(e Ending) []string {
	gate, last := e.Gate, "-"
	if gate == "" {
		gate = "-"
	}
	if e.Phase == client.RolledBack || e.Phase == client.Aborted {
		last = milliseconds(e.LastRequest)
	}
	expected := "yes"
	if !e.AsExpected() {
		expected = "NO: " + ending(e.Candidate.Phase, e.Candidate.Gate)
	}
	return []string{
		e.Candidate.Version, e.Candidate.What, ending(e.Phase, ""), gate, percent(e.Stage),
		thousands(e.Requests), thousands(e.Units), last, expected,
	}
}

// The table's form: the column that can be left out, those with numbers, and the space between two.
const (
	whatColumn           = 1
	firstNumber, lastNum = 4, 7
	gap                  = 2
)

// pad sets cells in columns; numbers stand at the right. A column without a width is left out.
func pad(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		if widths[i] == 0 {
			continue
		}
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i >= firstNumber && i <= lastNum {
			b.WriteString(space + cell)
		} else {
			b.WriteString(cell + space)
		}
		b.WriteString(strings.Repeat(" ", gap))
	}
	return b.String()
}

// percent writes a share that is given in percent, as the policy does.
func percent(p float64) string { return fmt.Sprintf("%g%%", p) }

// milliseconds writes a time as 1.2 ms.
func milliseconds(d time.Duration) string {
	const least = 100 * time.Microsecond
	if 0 < d && d < least {
		return "<0.1 ms"
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
