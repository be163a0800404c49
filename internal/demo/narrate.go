package demo

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// narrator writes what happens, a line for each change, with the time since the start of the demo in front. On a
// terminal it also keeps one line at the bottom that is written anew when figures move.
type narrator struct {
	opts  Options
	began time.Time
	// unread is told when nobody reads what is written any more.
	unread func(error)
	// shown is true while the line at the bottom is there.
	shown bool
}

// write writes to the output. Where that fails, nobody reads on, and the whole may as well end.
func (n *narrator) write(text string) {
	if _, err := io.WriteString(n.opts.Out, text); err != nil && n.unread != nil {
		n.unread(fmt.Errorf("tell what happens: %w", err))
	}
}

// style is how a piece of text looks where colours are allowed.
type style string

const (
	plain style = ""
	bold  style = "\x1b[1m"
	faint style = "\x1b[2m"
	good  style = "\x1b[32m"
	bad   style = "\x1b[31m"
	amber style = "\x1b[33m"

	reset     = "\x1b[0m"
	clearLine = "\r\x1b[2K"
)

// timeWidth is the width of the time in front of a line, with the gap behind it.
const timeWidth = 9

func (n *narrator) paint(s style, text string) string {
	if !n.opts.Color || s == plain {
		return text
	}
	return string(s) + text + reset
}

// line writes a line without a time.
func (n *narrator) line(s style, text string) {
	n.wipe()
	for _, part := range wrap(text, n.opts.Width, 0) {
		n.write(n.paint(s, part) + "\n")
	}
}

// say writes a line with its time. What does not fit goes on below, indented.
func (n *narrator) say(s style, text string) {
	n.wipe()
	stamp := fmt.Sprintf("%7s  ", seconds(time.Since(n.began)))
	for i, part := range wrap(text, n.opts.Width, timeWidth) {
		if i > 0 {
			stamp = strings.Repeat(" ", timeWidth)
		}
		n.write(n.paint(faint, stamp) + n.paint(s, part) + "\n")
	}
}

// warn says what the reader should know about the demo itself.
func (n *narrator) warn(text string) {
	n.wipe()
	for i, part := range wrap("warning: "+text, n.opts.Width, timeWidth) {
		if i > 0 {
			part = strings.Repeat(" ", timeWidth) + part
		}
		fmt.Fprintln(n.opts.Err, n.paint(amber, part))
	}
}

// file shows a file that is applied.
func (n *narrator) file(name, text string) {
	if !n.opts.Verbose {
		return
	}
	n.wipe()
	indent := strings.Repeat(" ", timeWidth)
	n.write(n.paint(faint, indent+"# "+name) + "\n")
	for text := range strings.Lines(text) {
		n.write(indent + text)
	}
}

// status replaces the line at the bottom.
func (n *narrator) status(text string) {
	if !n.opts.Live {
		return
	}
	room := n.opts.Width - 1
	if room > 0 && columns(text) > room {
		text = string([]rune(text)[:room])
	}
	n.write(clearLine + n.paint(faint, text))
	n.shown = true
}

// wipe takes the line at the bottom away.
func (n *narrator) wipe() {
	if n.shown {
		n.write(clearLine)
		n.shown = false
	}
}

// escapes finds what colours a text and takes no room.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// columns is how much room a text takes.
func columns(text string) int { return utf8.RuneCountInString(escapes.ReplaceAllString(text, "")) }

// wrap breaks a text into lines that fit into a width, less an indent. A word that is too long stays whole.
func wrap(text string, width, indent int) []string {
	room := width - indent
	if width <= 0 || room < 20 || columns(text) <= room {
		return []string{text}
	}
	// Spaces at the beginning are part of the form, and are kept.
	lead := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var lines []string
	current := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case current == "":
			current = lead + word
		case columns(current)+1+columns(word) > room:
			lines = append(lines, current)
			current = lead + word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// seconds writes a time as 12.3s.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// thousands writes a number as 12,345.
func thousands[T int | int64 | uint64](n T) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
