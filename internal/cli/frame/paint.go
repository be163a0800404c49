package frame

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Painter colours words where that is wanted. Colour never says anything that
// the word does not say.
type Painter struct{ On bool }

// The sixteen colours of every terminal; its user has chosen how they look.
var (
	styleGood  = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	styleBad   = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
	styleWait  = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	styleHead  = lipgloss.NewStyle().Bold(true)
	styleQuiet = lipgloss.NewStyle().Faint(true)
	styleAlarm = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true).Reverse(true)
)

func (p Painter) good(s string) string { return p.with(styleGood, s) }

// Bad paints what went wrong.
func (p Painter) Bad(s string) string { return p.with(styleBad, s) }

// Wait paints what asks for attention.
func (p Painter) Wait(s string) string { return p.wait(s) }

// Head paints a headline.
func (p Painter) Head(s string) string { return p.head(s) }

// Quiet paints what is read last.
func (p Painter) Quiet(s string) string { return p.quiet(s) }
func (p Painter) wait(s string) string  { return p.with(styleWait, s) }
func (p Painter) head(s string) string  { return p.with(styleHead, s) }
func (p Painter) quiet(s string) string { return p.with(styleQuiet, s) }

// Alarm paints what nobody may overlook.
func (p Painter) Alarm(s string) string { return p.with(styleAlarm, s) }

func (p Painter) with(style lipgloss.Style, s string) string {
	if !p.On || s == "" {
		return s
	}
	return style.Render(s)
}

// width is the number of columns that painted text takes.
func width(s string) int { return lipgloss.Width(s) }

// pad fills s with blanks to n columns.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-width(s))) }

// Columns lays rows out in columns, two blanks apart. The last column is not
// filled up.
func Columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	lines := make([]string, len(rows))
	for r, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = pad(cell, widths[i])
		}
		lines[r] = strings.TrimRight(strings.Join(cells, "  "), " ")
	}
	return lines
}

// flow puts parts beside each other, two blanks apart, on lines of at most so
// many columns.
func flow(parts []string, most int) []string {
	var lines []string
	for _, part := range parts {
		last := len(lines) - 1
		if last >= 0 && width(lines[last])+2+width(part) <= most {
			lines[last] += "  " + part
			continue
		}
		lines = append(lines, part)
	}
	return lines
}
