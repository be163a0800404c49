// Package digits is the real model of the demo: handwritten digits, and a small neural network that learns to read them
// when the demo starts.
//
// It promises that nothing about a model's quality is staged. A network that reads worse than another has learned less,
// or from partly wrong labels; its answers are always its own. What a version must look like is written down as a band
// of held-out error (see Version), is measured before the network is handed out, and a network outside its band is
// never handed out. The same seed gives the same split and, on one processor architecture, the same weights.
//
// Traffic is drawn from the held-out digits with replacement, so the held-out error is exactly the error rate of that
// traffic. Where training stops, and whether a network is taken, is chosen by that same error: the demo needs a
// population of known error, and makes no claim about digits outside it.
//
// The package keeps no state, opens no file and no socket, and uses no global chance. The data are compiled in; their
// origin and licence are in ATTRIBUTION.
package digits

import (
	"bytes"
	"compress/gzip"
	_ "embed" // The data are part of the binary.
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

const (
	// Pixels is the number of pixels of a digit: 8 rows of 8.
	Pixels = 64
	// Classes is the number of classes, the digits 0 to 9.
	Classes = 10
	// Ink is the value of a wholly black pixel; 0 is white.
	Ink = 16
	// Total is the number of digits in the data.
	Total = 1797
)

//go:embed digits.csv.gz
var compressed []byte

// Digit is one handwritten digit and what its writer meant by it.
type Digit struct {
	// Pixels are 64 values from 0 to 16, row by row.
	Pixels []float32
	// Label is the digit that was meant, 0 to 9.
	Label int
}

// Load reads all digits out of the binary, in the order of the data set.
func Load() ([]Digit, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("open the digits: %w", err)
	}
	defer unzipped.Close()
	return read(unzipped)
}

// read parses digits, one a line, strictly: a value out of place is an error with its line.
func read(from io.Reader) ([]Digit, error) {
	lines := csv.NewReader(from)
	lines.FieldsPerRecord = Pixels + 1
	lines.ReuseRecord = true
	all := make([]Digit, 0, Total)
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read digit %d: %w", len(all)+1, err)
		}
		digit, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("read digit %d: %w", len(all)+1, err)
		}
		all = append(all, digit)
	}
}

func parse(fields []string) (Digit, error) {
	digit := Digit{Pixels: make([]float32, Pixels)}
	for i, field := range fields[:Pixels] {
		value, err := strconv.Atoi(field)
		if err != nil || value < 0 || value > Ink {
			return Digit{}, fmt.Errorf("pixel %d is %q, not a number from 0 to %d", i, field, Ink)
		}
		digit.Pixels[i] = float32(value)
	}
	label, err := strconv.Atoi(fields[Pixels])
	if err != nil || label < 0 || label >= Classes {
		return Digit{}, fmt.Errorf("label is %q, not a digit", fields[Pixels])
	}
	digit.Label = label
	return digit, nil
}

// Split is a division of the data: what networks learn from, and what they are asked about. No digit is in both.
type Split struct {
	// Training are the digits that networks learn from, two thirds of each class.
	Training []Digit
	// HeldOut are the digits that traffic is drawn from, a third of each class.
	HeldOut []Digit
}

// NewSplit loads the digits and divides each class by chance, always in the same way for the same seed.
func NewSplit(seed uint64) (Split, error) {
	all, err := Load()
	if err != nil {
		return Split{}, err
	}
	return divide(all, seed), nil
}

// divide holds out a third of each class. Dividing by class keeps the mix of classes, and with it the error of a
// network, from wandering with the seed.
func divide(all []Digit, seed uint64) Split {
	chance := rand.New(rand.NewPCG(seed, streamSplit))
	var byClass [Classes][]Digit
	for _, digit := range all {
		byClass[digit.Label] = append(byClass[digit.Label], digit)
	}
	var split Split
	for _, class := range byClass {
		chance.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		third := len(class) / 3
		split.HeldOut = append(split.HeldOut, class[:third]...)
		split.Training = append(split.Training, class[third:]...)
	}
	return split
}

// Streams of chance: each use of a seed draws from its own, so that no use disturbs another.
const (
	streamSplit uint64 = iota + 1
	streamWeights
	streamLabels
	streamOrder
)
