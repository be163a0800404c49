package sample

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/pair"
	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// scanner reads the rows of all files into gates.
type scanner struct {
	options *Options
	files   []*file
	mapping column.Mapping
	cells   cells
	gates   []*Gate
	// failed tells whether the request of a row failed; nil where no column says.
	failed   measure
	pairing  *pair.Store
	strata   map[string]int
	segments []cell

	arms [split.Arms]Seen
	// readings are those of the row at hand, by gate.
	readings []reading
}

type reading struct {
	x  float64
	ok bool
}

// newScanner finds the columns and makes room for what they say.
func newScanner(o *Options) (*scanner, error) {
	files, arms, err := o.sources()
	if err != nil {
		return nil, err
	}
	s := &scanner{options: o, files: files, strata: map[string]int{}}
	var names []string
	for _, f := range files {
		if err := f.head(); err != nil {
			return nil, err
		}
		for _, name := range f.names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if s.mapping, err = column.Map(names, o.wanted(arms), append(o.asks(), s.pointers(names)...)); err != nil {
		return nil, err
	}
	if _, ok := s.mapping.Find(column.Arm); arms && !ok && len(names) > 0 {
		return nil, problem.New(problem.Invalid, "%s has no column that says the arm; name it with --arm-column", o.Data.Name)
	}
	s.place()
	for _, g := range o.Gates {
		c, err := newGate(g, s.cells, o)
		if err != nil {
			return nil, err
		}
		s.gates = append(s.gates, c)
	}
	s.readings = make([]reading, len(s.gates))
	if s.cells.have(column.ID) {
		s.pairing = pair.NewStore(o.MaxIDs, len(s.gates))
	}
	return s, nil
}

// pointers are the outputs that are named by a JSON pointer into the rows
// themselves: output:/answer/score in rows that have an answer.
func (s *scanner) pointers(names []string) (asks []column.Ask) {
	if !slices.ContainsFunc(s.files, func(f *file) bool { return f.format == row.JSONL }) {
		return nil
	}
	for _, g := range s.options.Gates {
		role := column.Role(g.Metric)
		asked := slices.ContainsFunc(s.options.Columns, func(a column.Ask) bool { return a.Role == role })
		key, _, _ := strings.Cut(strings.TrimPrefix(g.Output, "/"), "/")
		if strings.HasPrefix(g.Output, "/") && !asked && slices.Contains(names, key) {
			asks = append(asks, column.Ask{Role: role, Column: g.Output})
		}
	}
	return asks
}

// place notes where the values of each role stand.
func (s *scanner) place() {
	s.cells = cells{}
	for i, e := range s.mapping.Entries {
		at := cell{at: i, column: e.Column, unit: e.Unit, optional: slices.Contains(s.options.Optional, e.Role)}
		for _, g := range s.options.Gates {
			if string(e.Role) == g.Metric && g.Per == spec.PerExposure {
				at.optional = true
			}
		}
		if _, ok := s.cells[e.Role]; !ok {
			s.cells[e.Role] = at
		}
		if isSegment(e.Role) {
			s.segments = append(s.segments, at)
		}
	}
	if s.cells.have(column.Error) || s.cells.have(column.Status) {
		s.failed = s.cells.errors()
	}
}

// learn lets the gates see the baseline once.
func (s *scanner) learn(ctx context.Context) error {
	if !slices.ContainsFunc(s.gates, (*Gate).needsLearning) {
		return nil
	}
	for _, f := range s.files {
		if f.fixed && f.arm != split.Baseline {
			continue
		}
		err := s.each(ctx, f, func(r row.Row, in *fields) error {
			o, bad, err := s.understand(f, r, in)
			if err != nil || bad != nil || o.arm != split.Baseline {
				return err
			}
			for i, c := range s.gates {
				if c.needsLearning() && s.readings[i].ok {
					c.learn(o, s.readings[i].x)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range s.gates {
		if c.needsLearning() {
			c.fix()
		}
	}
	return nil
}

// count counts all rows.
func (s *scanner) count(ctx context.Context) error {
	for _, f := range s.files {
		err := s.each(ctx, f, func(r row.Row, in *fields) error {
			f.rows++
			o, bad, err := s.understand(f, r, in)
			if err != nil {
				return err
			}
			if bad == nil {
				bad, err = s.take(o, r, in)
			}
			known := f.fixed || bad == nil || bad.armKnown
			if known {
				s.arms[o.arm].Rows++
			}
			if bad != nil {
				f.found(bad.fault, r.Line)
				if known {
					s.arms[o.arm].Bad++
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is how many rows are read between two looks at the context.
const lookEvery = 4096

// each calls yield for each row of a file.
func (s *scanner) each(ctx context.Context, f *file, yield func(row.Row, *fields) error) error {
	r, in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // It was only read.
	there, err := f.pick(r, s.mapping.Entries)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n%lookEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		next, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := yield(next, &fields{values: next.Values, there: there}); err != nil {
			return err
		}
	}
}

// badRow is what is wrong with a row, and whether its arm is known all the same.
type badRow struct {
	fault
	armKnown bool
}

// understand finds out where a row belongs and what it says to each gate. A
// row that says something that cannot be is bad as a whole: what else it says is
// not to be relied on.
func (s *scanner) understand(f *file, r row.Row, in *fields) (o observation, bad *badRow, err error) {
	o.arm = f.arm
	if r.Bad != "" {
		return o, &badRow{fault: fault{reason: r.Bad}}, nil
	}
	if !f.fixed {
		at := s.cells.get(column.Arm)
		said, _ := in.get(at)
		if said.Absent() {
			return o, &badRow{fault: fault{row.Empty, at.column}}, nil
		}
		var ok bool
		if o.arm, ok = s.options.armOf(said.Text); !ok {
			return o, &badRow{fault: fault{UnknownArm, at.column}}, nil
		}
	}
	fail := func(what *fault) (observation, *badRow, error) { return o, &badRow{*what, true}, nil }
	if s.failed != nil {
		failed, _, what := s.failed(in)
		if what != nil {
			return fail(what)
		}
		in.failed = failed > 0
	}
	what, err := s.locate(&o, in)
	if err != nil {
		return o, nil, err
	}
	if what != nil {
		return fail(what)
	}
	for i, c := range s.gates {
		if c.measure == nil {
			continue
		}
		x, ok, what := c.measure(in)
		if what != nil {
			return fail(what)
		}
		s.readings[i] = reading{x, ok}
	}
	return o, nil, nil
}

// locate finds the stratum, the unit and the segments of a row.
func (s *scanner) locate(o *observation, in *fields) (*fault, error) {
	if v, there := in.get(s.cells.get(column.Unit)); there {
		if v.Absent() {
			return &fault{row.Empty, s.cells.get(column.Unit).column}, nil
		}
		o.bucket = split.Salt(0).Hash(v.Text).Bucket()
	}
	for _, at := range s.segments {
		name := "none"
		if v, _ := in.get(at); !v.Absent() {
			name = v.Text
		}
		o.segments = append(o.segments, at.column+"="+shortened(name))
	}
	at := s.cells.get(column.Stratum)
	v, there := in.get(at)
	if !there {
		return nil, nil
	}
	key, what := s.stratum(v, at)
	if what != nil {
		return what, nil
	}
	i, known := s.strata[key]
	if !known {
		if i = len(s.strata); i == maxStrata {
			return nil, problem.New(problem.Invalid, "column %q has more than %d values, too many for strata; name another one, or stretches of time such as --stratify-by time:6h, or none with --column stratum=", at.column, maxStrata)
		}
		s.strata[key] = i
	}
	o.stratum = i
	return nil, nil
}

// longName is the length at which the names of segments are cut.
const longName = 60

func shortened(name string) string {
	if runes := []rune(name); len(runes) > longName {
		return string(runes[:longName]) + "…"
	}
	return name
}

// stratum is the name of the stratum that a value stands for.
func (s *scanner) stratum(v row.Value, at cell) (string, *fault) {
	if v.Absent() {
		return "", &fault{row.Empty, at.column}
	}
	if s.options.Every <= 0 {
		return v.Text, nil
	}
	t, ok := timeOf(v.Text)
	if !ok {
		return "", &fault{NotTime, at.column}
	}
	return t.Truncate(s.options.Every).UTC().Format(time.RFC3339), nil
}

// layouts are the forms of times.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05Z07:00", time.DateOnly}

// timeOf reads a time: in words, or in seconds or thousandths of them since 1970.
func timeOf(text string) (time.Time, bool) {
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		const farSeconds, farMillis = 1e11, 1e14
		switch {
		case !(math.Abs(x) < farMillis):
			return time.Time{}, false
		case math.Abs(x) < farSeconds:
			x *= 1000
		}
		return time.UnixMilli(int64(x)), true
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// take counts a row that was understood. It finds out at last that an id came
// twice.
func (s *scanner) take(o observation, r row.Row, in *fields) (*badRow, error) {
	with, what, err := s.match(o, r, in)
	if err != nil || what != nil {
		return what, err
	}
	for i, c := range s.gates {
		if c.measure != nil {
			c.observe(o, s.readings[i].x, s.readings[i].ok)
		}
	}
	if with == nil {
		return nil, nil
	}
	for i, c := range s.gates {
		switch {
		case c.Spec.Metric == Agreement && c.Absent == "":
			s.agree(c, o, in, with)
		case c.measure != nil && o.arm == split.Candidate:
			c.pair(o, s.value(i), with.Values[i])
		case c.measure != nil:
			c.pair(o, with.Values[i], s.value(i))
		}
	}
	return nil, nil
}

// value is what the row at hand says to a gate, NaN for nothing.
func (s *scanner) value(i int) float64 {
	if !s.readings[i].ok {
		return math.NaN()
	}
	return s.readings[i].x
}

// match looks for the row's partner in the other arm.
func (s *scanner) match(o observation, r row.Row, in *fields) (*pair.Partner, *badRow, error) {
	if s.pairing == nil {
		return nil, nil, nil
	}
	at := s.cells.get(column.ID)
	id := strconv.Itoa(r.Number)
	if at.column != column.RowNumber {
		v, there := in.get(at)
		if !there {
			return nil, nil, nil
		}
		if v.Absent() {
			return nil, &badRow{fault{row.Empty, at.column}, true}, nil
		}
		id = v.Text
	}
	values := make([]float64, len(s.gates))
	for i := range values {
		values[i] = s.value(i)
	}
	with, twice, err := s.pairing.Put(id, o.arm, values, s.held(in))
	if twice {
		return nil, &badRow{fault{DuplicateID, at.column}, true}, nil
	}
	return with, nil, err
}

// held is the answer of the row at hand, where answers are compared.
func (s *scanner) held(in *fields) pair.Held {
	out := pair.Held{Failed: in.failed}
	if slices.ContainsFunc(s.gates, func(c *Gate) bool { return c.Spec.Metric == Agreement }) {
		if v, there := in.get(s.cells.get(column.Output)); there {
			out.Answer = pair.Read(v)
		}
	}
	return out
}

// agree compares the answers of both arms to one request. Where one of them
// failed there is nothing to compare; an answer that is missing without a failure
// agrees with nothing.
func (s *scanner) agree(c *Gate, o observation, in *fields, with *pair.Partner) {
	here := s.held(in)
	if here.Failed || with.Answer.Failed || here.None() && with.Answer.None() {
		return
	}
	o.arm = split.Candidate
	c.observe(o, number(here.Agrees(with.Answer.Answer, s.options.Tolerance)), true)
}
