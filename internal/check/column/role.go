// Package column finds out which column of a file stands for what.
//
// What is looked for follows from the gates; columns are found by the names that
// tools give them, and by what the caller says. Every choice can be shown, and
// what is not certain is an error that says what to write: a latency without a
// unit is never guessed. The package reads names, not rows.
package column

import (
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Role is what a column stands for: one of the constants, or a metric such as
// outcome:NAME, output:NAME, tokens_per_second.
type Role string

// The roles.
const (
	Arm         Role = "arm"          // baseline or candidate
	ID          Role = "id"           // the same for the rows of one request in both arms
	Unit        Role = "unit"         // whose rows resemble each other: a user, a session
	Stratum     Role = "stratum"      // rows of one stratum are compared with each other
	Error       Role = "error"        // 1 or true for a failed request
	Status      Role = "status"       // the HTTP status
	ClientError Role = "client_error" // 1 or true for a request that was refused as the caller's mistake
	Latency     Role = "latency"      // how long the answer took
	TTFT        Role = "ttft"         // how long until the first token
	ITL         Role = "itl"          // how long between two tokens
	Output      Role = "output"       // the answer, to be compared between the arms and with the label
	Label       Role = "label"        // the right answer
	Correct     Role = "correct"      // 1 or true for a right answer
)

// Timed reports whether the role's values are durations, which need a unit.
func (r Role) Timed() bool { return r == Latency || r == TTFT || r == ITL }

// RowNumber, in place of a column's name, stands for the number of the row in its
// file.
const RowNumber = "#"

// names are what the columns of a role are called, the most certain first. Names
// of durations are without their unit.
var names = map[Role][]string{
	Arm:         {"arm", "variant", "group"},
	ID:          {"id", "request_id", "example_id"},
	Unit:        {"unit", "unit_id", "user", "user_id", "session", "session_id"},
	Stratum:     {"stratum", "stage"},
	Error:       {"error", "failed", "is_error"},
	Status:      {"status", "status_code", "http_status", "code"},
	ClientError: {"client_error"},
	Latency:     {"latency", "duration", "elapsed", "response_time"},
	TTFT:        {"ttft", "time_to_first_token"},
	ITL:         {"itl", "inter_token_latency"},
	Output:      {"output", "prediction", "predicted", "answer"},
	Label:       {"label", "expected", "target", "truth"},
	Correct:     {"correct", "is_correct"},
}

// candidates are the names under which a role is looked for.
func (r Role) candidates() []string {
	if list, ok := names[r]; ok {
		return list
	}
	for _, prefix := range []string{"outcome:", "output:"} {
		if name, ok := strings.CutPrefix(string(r), prefix); ok {
			return []string{string(r), prefix[:len(prefix)-1] + "_" + name, name}
		}
	}
	return []string{string(r)}
}

// units are the ends of names of durations.
var units = map[string]time.Duration{
	"ns": time.Nanosecond, "nanos": time.Nanosecond, "nanoseconds": time.Nanosecond,
	"us": time.Microsecond, "µs": time.Microsecond, "micros": time.Microsecond, "microseconds": time.Microsecond,
	"ms": time.Millisecond, "millis": time.Millisecond, "milliseconds": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "seconds": time.Second,
}

// Ask is what the caller says of a role: --column latency=took:ms.
type Ask struct {
	Role Role
	// Column is empty for a role that is not to be used.
	Column string
	Unit   time.Duration
}

// ParseAsk reads ROLE=COLUMN, with a unit behind a colon where the role is a
// duration.
func ParseAsk(s string) (Ask, error) {
	role, column, ok := strings.Cut(s, "=")
	a := Ask{Role: Role(strings.TrimSpace(role)), Column: column}
	if !ok || a.Role == "" {
		return Ask{}, problem.New(problem.Invalid, "%q is no column; write ROLE=COLUMN, such as latency=took:ms or outcome:correct=is_right", s)
	}
	if !a.Role.Timed() || column == "" {
		return a, nil
	}
	at := strings.LastIndexByte(column, ':')
	if at < 0 {
		a.Unit = plain(column).unit
		if a.Unit == 0 {
			return Ask{}, problem.New(problem.Invalid, "%q has no unit; write %s:ms, :s, :us or :ns", s, s)
		}
		return a, nil
	}
	if a.Unit = units[column[at+1:]]; a.Unit == 0 {
		return Ask{}, problem.New(problem.Invalid, "%q: %q is no unit of time; write ms, s, us or ns", s, column[at+1:])
	}
	a.Column = column[:at]
	return a, nil
}

// plainName is a name in one form, apart from the unit at its end.
type plainName struct {
	text string
	unit time.Duration
}

// plain writes a name as most names are written: latencyMs, Latency (ms) and
// latency.ms are latency_ms.
func plain(name string) plainName {
	var b strings.Builder
	gap := false
	var before rune
	for _, c := range name {
		switch {
		case c == ':' || c == '/' || c == '#':
			b.WriteRune(c)
			before, gap = c, false
			continue
		case !isWord(c):
			gap = b.Len() > 0
			continue
		case isUpper(c) && isLower(before):
			gap = true
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		before = c
		b.WriteString(strings.ToLower(string(c)))
	}
	text := b.String()
	if at := strings.LastIndexByte(text, '_'); at > 0 {
		if unit := units[text[at+1:]]; unit > 0 {
			return plainName{text[:at], unit}
		}
	}
	return plainName{text: text}
}

func isUpper(c rune) bool { return c >= 'A' && c <= 'Z' }
func isLower(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
func isWord(c rune) bool  { return isUpper(c) || isLower(c) || c > 0x7f }
