package evidence

import (
	"math"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Output is a part of the model's answers that is observed.
type Output struct {
	// Name is a JSON Pointer (RFC 6901) where it begins with a slash, else the
	// name of an output tensor.
	Name string `json:"name"`
	// Value is the index in Layout.Values of the series that its values go to;
	// NoSeries where only its classes are counted.
	Value int `json:"value"`
	// Numbers lets only numbers go to the series, because their mean is asked for;
	// otherwise a text counts by its hash.
	Numbers bool `json:"numbers,omitempty"`
	// Classes are the values that are counted.
	Classes []Class `json:"classes,omitempty"`
}

// Class is a value of an output of which the share is a rate.
type Class struct {
	Text string `json:"text"` // a label, or a number as it was written
	Rate int    `json:"rate"` // index into Layout.Rates
}

const (
	// NoSeries is the index of no series.
	NoSeries = -1
	// MaxClasses bounds the classes of one output.
	MaxClasses = 64
	// MaxReadings bounds the values that are read of one output in one answer.
	MaxReadings = 64
)

// Reading is a value of an output as it was found in an answer, or the word that
// there was none. The readings of an output follow upon each other.
type Reading struct {
	Output int // index into Layout.Outputs
	Kind   ReadingKind
	// Value is a number, or the hash of a text.
	Value float64
	// Classes has bit i set when the value is of class i.
	Classes uint64
}

// ReadingKind says what a Reading is of.
type ReadingKind uint8

const (
	// Missing is an answer without the output, or a value of it that is neither a
	// number nor a text.
	Missing ReadingKind = iota
	// Number is a number; true is 1 and false is 0.
	Number
	// Text is a label.
	Text
)

// TextValue is the number that stands for a text in a distribution: a hash of 48
// bits, which a float64 holds.
func TextValue(text []byte) float64 { return float64(xxh3.Hash(text) >> 16) }

// OutputCount is how much of an output was read at one arm.
type OutputCount struct {
	Answers uint64 `json:"answers,omitempty"` // in which it was found
	Values  uint64 `json:"values,omitempty"`  // that were found in them
	// Missing counts answers without it and values that were neither a number nor
	// a text, and Lost values for which there was no room.
	Missing uint64 `json:"missing,omitempty"`
	Lost    uint64 `json:"lost,omitempty"`
}

// Add adds what was counted elsewhere.
func (c *OutputCount) Add(o OutputCount) {
	c.Answers += o.Answers
	c.Values += o.Values
	c.Missing += o.Missing
	c.Lost += o.Lost
}

// AddOutput returns the index of an output, adding it to the layout.
func (l *Layout) AddOutput(name string) int {
	for i := range l.Outputs {
		if l.Outputs[i].Name == name {
			return i
		}
	}
	l.Outputs = append(l.Outputs, Output{Name: name, Value: NoSeries})
	return len(l.Outputs) - 1
}

// AddClass returns the index of the rate that counts a class of an output, adding
// it to the layout under a name of its own.
func (l *Layout) AddClass(output int, text, name string) int {
	o := &l.Outputs[output]
	for _, class := range o.Classes {
		if class.Text == text {
			return class.Rate
		}
	}
	l.Rates = append(l.Rates, name)
	o.Classes = append(o.Classes, Class{Text: text, Rate: len(l.Rates) - 1})
	return len(l.Rates) - 1
}

// MaxPending is how many observations that wait for their scale a data plane
// holds at most until somebody takes them.
const MaxPending = 1 << 16

// read adds what was read of the outputs in one answer.
func (s *Stratum) read(l *Layout, o Observation) {
	last := -1
	for i := range o.Outputs {
		r := &o.Outputs[i]
		if r.Output >= len(l.Outputs) {
			continue
		}
		count := &s.Sides[o.Arm].Outputs[r.Output]
		if r.Kind == Missing {
			count.Missing++
			continue
		}
		several := r.Output == last || i+1 < len(o.Outputs) && o.Outputs[i+1].Output == r.Output
		if r.Output != last {
			count.Answers++
		}
		last = r.Output
		count.Values++
		s.value(l, o, r, several)
	}
}

// value adds one value of an output.
func (s *Stratum) value(l *Layout, o Observation, r *Reading, several bool) {
	side, output := &s.Sides[o.Arm], &l.Outputs[r.Output]
	for i := range output.Classes {
		side.Rates[output.Classes[i].Rate].add(o.Bucket, r.Classes&(1<<i) != 0)
	}
	if output.Value == NoSeries {
		return
	}
	raw := Raw{Series: output.Value, Arm: o.Arm, Bucket: o.Bucket, Grouped: several, Value: r.Value}
	switch {
	case r.Kind == Text && output.Numbers:
		side.Outputs[r.Output].Missing++
	case len(s.Raw) >= MaxPending:
		side.Outputs[r.Output].Lost++
	case !s.ObserveValue(l, raw):
		side.Outputs[r.Output].Missing++
	}
}

// above is the least number above x.
func above(x float64) float64 { return math.Nextafter(x, math.Inf(1)) }

// spread adds an observation to the bins of its bucket.
func (v *Value) spread(bucket uint8, bin, bins int) {
	if v.Spread == nil {
		v.Spread = make([]uint64, split.Buckets*bins)
	}
	v.Spread[int(bucket)*bins+bin]++
}
