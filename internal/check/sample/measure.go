package sample

import (
	"math"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/pair"
	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// The reasons of rows that say what cannot be, beside those of package row.
const (
	UnknownArm  row.Reason = "UnknownArm"
	DuplicateID row.Reason = "DuplicateID"
	Negative    row.Reason = "Negative"
	TooLarge    row.Reason = "TooLarge"
	NotStatus   row.Reason = "NotStatus"
	NotTime     row.Reason = "NotTime"
)

// fault is what is wrong with a row.
type fault struct {
	reason row.Reason
	column string
}

// cell is the place of a column among the values of a row.
type cell struct {
	at     int // -1 for a column that is not mapped
	column string
	unit   time.Duration
	// optional says that it may be empty.
	optional bool
}

// fields are the values of a row, by cell.
type fields struct {
	values []row.Value
	there  []bool // by cell: whether the file has the column
	// failed says that the request of the row is known to have failed.
	failed bool
}

// get returns a value, and whether the file has its column at all.
func (f *fields) get(c cell) (row.Value, bool) {
	if c.at < 0 || !f.there[c.at] {
		return row.Value{}, false
	}
	return f.values[c.at], true
}

// A measure reads what a gate counts from a row: 1 or 0 for an event, seconds,
// or a number. It is not ok where the row says nothing, which is no fault where
// that can be.
type measure func(f *fields) (x float64, ok bool, bad *fault)

func number(happened bool) float64 {
	if happened {
		return 1
	}
	return 0
}

// cells are the columns by their roles.
type cells map[column.Role]cell

func (c cells) get(r column.Role) cell {
	if at, ok := c[r]; ok {
		return at
	}
	return cell{at: -1}
}

func (c cells) have(r column.Role) bool { return c.get(r).at >= 0 }

// status reads an HTTP status.
func status(f *fields, at cell) (code int, ok bool, bad *fault) {
	v, there := f.get(at)
	if !there {
		return 0, false, nil
	}
	x, reason := v.Float()
	switch {
	case reason != "":
		return 0, false, &fault{reason, at.column}
	case x != math.Trunc(x) || x < 100 || x > 599:
		return 0, false, &fault{NotStatus, at.column}
	}
	return int(x), true, nil
}

// errors is the measure of failed requests: 5xx and 429, or what the column of
// errors says. A message in it is an error, and null is none.
func (c cells) errors() measure {
	errorAt, statusAt := c.get(column.Error), c.get(column.Status)
	return func(f *fields) (float64, bool, *fault) {
		code, known, bad := status(f, statusAt)
		if bad != nil {
			return 0, false, bad
		}
		failed := code >= 500 || code == 429
		v, there := f.get(errorAt)
		if !there {
			return number(failed), known, nil
		}
		said, reason := v.Truth()
		switch {
		case v.Kind == row.Null:
			said = false
		case reason == row.NotBoolean:
			said = true
		case reason == row.Empty && known: // The status has told.
		case reason != "":
			return 0, false, &fault{reason, errorAt.column}
		}
		return number(failed || said), true, nil
	}
}

// clientErrors is the measure of requests that were refused as the caller's
// mistake.
func (c cells) clientErrors() measure {
	said, statusAt := c.get(column.ClientError), c.get(column.Status)
	return func(f *fields) (float64, bool, *fault) {
		if v, there := f.get(said); there {
			happened, reason := v.Truth()
			if reason != "" {
				return 0, false, &fault{reason, said.column}
			}
			return number(happened), true, nil
		}
		code, known, bad := status(f, statusAt)
		return number(code >= 400 && code < 500 && code != 429), known, bad
	}
}

// leastTime is what no time at all counts as: clocks are not finer.
const leastTime = 1e-9

// latency is the measure of a duration, in seconds. A failed request may have none.
func (c cells) latency(role column.Role) measure {
	at := c.get(role)
	return func(f *fields) (float64, bool, *fault) {
		v, there := f.get(at)
		if !there || f.failed && v.Absent() {
			return 0, false, nil
		}
		if d, err := time.ParseDuration(v.Text); err == nil && v.Kind == row.Text && d != 0 {
			return positive(d.Seconds(), at) // The value says its unit by itself.
		}
		x, reason := v.Float()
		if reason != "" {
			return absent(v, at, reason)
		}
		return positive(x*at.unit.Seconds(), at)
	}
}

func positive(seconds float64, at cell) (float64, bool, *fault) {
	switch {
	case seconds < 0:
		return 0, false, &fault{Negative, at.column}
	case seconds > evidence.MaxValue:
		return 0, false, &fault{TooLarge, at.column}
	}
	// Equal durations are equal, in whatever unit they were written.
	return max(math.Round(seconds/leastTime)*leastTime, leastTime), true, nil
}

// absent answers for a value that cannot be read.
func absent(v row.Value, at cell, reason row.Reason) (float64, bool, *fault) {
	if v.Absent() && at.optional {
		return 0, false, nil
	}
	return 0, false, &fault{reason, at.column}
}

// event is the measure of an outcome that happened or did not.
func (c cells) event(role column.Role) measure {
	at := c.get(role)
	return func(f *fields) (float64, bool, *fault) {
		v, there := f.get(at)
		if !there || f.failed && v.Absent() {
			return 0, false, nil
		}
		happened, reason := v.Truth()
		if reason != "" {
			return absent(v, at, reason)
		}
		return number(happened), true, nil
	}
}

// value is the measure of a number. With classes, a text is one: an output that
// is a word is compared by how often each word comes.
func (c cells) value(role column.Role, classes bool) measure {
	at := c.get(role)
	return func(f *fields) (float64, bool, *fault) {
		v, there := f.get(at)
		if !there || f.failed && v.Absent() {
			return 0, false, nil
		}
		x, reason := v.Float()
		switch {
		case reason == row.NotNumber && classes && v.Kind != row.Composite:
			return evidence.TextValue([]byte(v.Text)), true, nil
		case reason != "":
			return absent(v, at, reason)
		case math.Abs(x) > evidence.MaxValue:
			return 0, false, &fault{TooLarge, at.column}
		}
		return x, true, nil
	}
}

// class is the measure of an output that is of a class.
func (c cells) class(role column.Role, class string, tolerance float64) measure {
	at := c.get(role)
	want := pair.Read(row.Value{Kind: row.Text, Text: class})
	return func(f *fields) (float64, bool, *fault) {
		v, there := f.get(at)
		if !there || f.failed && v.Absent() {
			return 0, false, nil
		}
		if v.Absent() {
			return absent(v, at, row.Empty)
		}
		return number(pair.Read(v).Agrees(want, tolerance)), true, nil
	}
}

// accuracy is the measure of right answers: as a column says, or by comparing
// the answer with the label. No answer is no right one.
func (c cells) accuracy(tolerance float64) measure {
	correct, output, label := c.get(column.Correct), c.get(column.Output), c.get(column.Label)
	return func(f *fields) (float64, bool, *fault) {
		if v, there := f.get(correct); there {
			if f.failed && v.Absent() {
				return 0, true, nil
			}
			right, reason := v.Truth()
			if reason != "" {
				return absent(v, correct, reason)
			}
			return number(right), true, nil
		}
		answer, there := f.get(output)
		want, labelled := f.get(label)
		switch {
		case !there || !labelled:
			return 0, false, nil
		case want.Absent():
			return absent(want, label, row.Empty)
		}
		return number(!answer.Absent() && pair.Read(answer).Agrees(pair.Read(want), tolerance)), true, nil
	}
}

// measureOf returns the measure of a gate, and false for one that no column is
// mapped for.
func (c cells) measureOf(g spec.ResolvedGate, tolerance float64) (measure, bool) {
	switch {
	case g.Outcome != "" || g.Output != "":
		role := column.Role(g.Metric)
		if !c.have(role) {
			return nil, false
		}
		switch {
		case g.Output != "" && g.Kind == spec.KindRate:
			return c.class(role, g.Class, tolerance), true
		case g.Kind == spec.KindRate:
			return c.event(role), true
		}
		return c.value(role, g.Kind == spec.KindDrift), true
	case g.Quantile > 0:
		role := Timed(g.Metric)
		return c.latency(role), c.have(role)
	}
	switch g.Metric {
	case evidence.ErrorRate:
		return c.errors(), c.have(column.Error) || c.have(column.Status)
	case evidence.ClientErrorRate:
		return c.clientErrors(), c.have(column.ClientError) || c.have(column.Status)
	case Accuracy:
		return c.accuracy(tolerance), c.have(column.Correct) || c.have(column.Output) && c.have(column.Label)
	case Agreement:
		return nil, c.have(column.Output) && c.have(column.ID)
	}
	role := column.Role(g.Metric)
	return c.value(role, false), c.have(role)
}

// The metrics of checks alone.
const (
	Accuracy  = "accuracy"
	Agreement = "agreement"
)

// Timed is the role of a metric such as ttft_p99.
func Timed(metric string) column.Role {
	name, _, _ := strings.Cut(metric, "_p")
	return column.Role(name)
}

// rolesOf are the roles that a gate reads.
func rolesOf(g spec.ResolvedGate) []column.Role {
	switch {
	case g.Outcome != "" || g.Output != "":
		return []column.Role{column.Role(g.Metric)}
	case g.Quantile > 0:
		return []column.Role{Timed(g.Metric)}
	}
	switch g.Metric {
	case evidence.ErrorRate, evidence.ClientErrorRate:
		return []column.Role{column.Status, column.Error, column.ClientError}
	case Accuracy:
		return []column.Role{column.Correct, column.Output, column.Label}
	case Agreement:
		return []column.Role{column.ID, column.Output}
	}
	return []column.Role{column.Role(g.Metric)}
}
