package modelserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// inferRequest is what the protocol says of a request; parameters are allowed and mean nothing here.
type inferRequest struct {
	ID      string   `json:"id"`
	Inputs  []tensor `json:"inputs"`
	Outputs []struct {
		Name string `json:"name"`
	} `json:"outputs"`
}

type tensor struct {
	Name     string          `json:"name"`
	Shape    []int64         `json:"shape"`
	Datatype string          `json:"datatype"`
	Data     json.RawMessage `json:"data"`
}

var allOutputs = []string{outputClass, outputScores}

// parse reads a request and checks everything but the data.
func parse(body []byte) (inferRequest, error) {
	var request inferRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return request, fmt.Errorf("the body is not an inference request: %w", err)
	}
	if len(request.Inputs) != 1 {
		return request, fmt.Errorf("%d inputs given; the model has one, %q", len(request.Inputs), inputName)
	}
	for _, output := range request.Outputs {
		if !slices.Contains(allOutputs, output.Name) {
			return request, fmt.Errorf("no output is named %q; there are %q and %q", output.Name, outputClass, outputScores)
		}
	}
	if len(request.Outputs) > len(allOutputs) {
		return request, fmt.Errorf("%d outputs asked for; there are %d", len(request.Outputs), len(allOutputs))
	}
	return request, request.Inputs[0].check()
}

// check compares a tensor's head with what the metadata declare.
func (t tensor) check() error {
	switch {
	case t.Name != inputName:
		return fmt.Errorf("no input is named %q; the model has %q", t.Name, inputName)
	case t.Datatype != "FP32":
		return fmt.Errorf("input %q has datatype %q; the model wants FP32", t.Name, t.Datatype)
	case len(t.Shape) != 2 || t.Shape[1] != digits.Pixels || t.Shape[0] < 1:
		return fmt.Errorf("input %q has shape %v; the model wants [n,%d]", t.Name, t.Shape, digits.Pixels)
	case t.Shape[0] > maxRows:
		return fmt.Errorf("input %q has %d rows; at most %d are answered at once", t.Name, t.Shape[0], maxRows)
	}
	return nil
}

// wanted are the outputs that the caller asked for; all if it asked for none.
func (r inferRequest) wanted() []string {
	if len(r.Outputs) == 0 {
		return allOutputs
	}
	names := make([]string, len(r.Outputs))
	for i, output := range r.Outputs {
		names[i] = output.Name
	}
	return names
}

// pixels reads the data of the one input: n times 64 numbers, either flat or as n rows, as the protocol allows.
func (r inferRequest) pixels(to []float32) ([]float32, error) {
	input := r.Inputs[0]
	rows := int(input.Shape[0])
	read := &reader{rest: input.Data}
	values, err := read.tensor(to, rows)
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", input.Name, err)
	}
	return values, nil
}

// reader goes through JSON that is known to be well formed, which is why it may skip what it need not understand.
type reader struct {
	rest []byte
}

func (r *reader) tensor(to []float32, rows int) ([]float32, error) {
	if !r.eat('[') {
		return nil, errors.New("data is not an array")
	}
	if r.peek() != '[' {
		return r.numbers(to, rows*digits.Pixels)
	}
	for row := range rows {
		if row > 0 && !r.eat(',') || !r.eat('[') {
			return nil, fmt.Errorf("%d rows of data, shape says %d", row, rows)
		}
		var err error
		if to, err = r.numbers(to, digits.Pixels); err != nil {
			return nil, fmt.Errorf("row %d: %w", row, err)
		}
	}
	if !r.eat(']') {
		return nil, fmt.Errorf("more than %d rows of data, shape says %d", rows, rows)
	}
	return to, nil
}

// numbers reads exactly count numbers and the bracket behind them.
func (r *reader) numbers(to []float32, count int) ([]float32, error) {
	for i := range count {
		if i > 0 && !r.eat(',') || r.peek() == ']' {
			return nil, fmt.Errorf("%d numbers of data, shape says %d", i, count)
		}
		value, err := r.number()
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", i, err)
		}
		to = append(to, value)
	}
	if !r.eat(']') {
		return nil, fmt.Errorf("more than %d numbers of data, shape says %d", count, count)
	}
	return to, nil
}

func (r *reader) number() (float32, error) {
	r.peek()
	end := 0
	for end < len(r.rest) && isNumeric(r.rest[end]) {
		end++
	}
	if end == 0 {
		return 0, errors.New("not a number")
	}
	value, err := strconv.ParseFloat(string(r.rest[:end]), 32)
	if err != nil {
		return 0, fmt.Errorf("%s is no FP32: %w", r.rest[:end], errors.Unwrap(err))
	}
	r.rest = r.rest[end:]
	return float32(value), nil
}

func isNumeric(b byte) bool {
	return b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E'
}

// peek skips white space and shows the next byte, 0 at the end.
func (r *reader) peek() byte {
	for len(r.rest) > 0 {
		switch r.rest[0] {
		case ' ', '\t', '\n', '\r':
			r.rest = r.rest[1:]
		default:
			return r.rest[0]
		}
	}
	return 0
}

// eat takes the next byte if it is the one wanted.
func (r *reader) eat(want byte) bool {
	if r.peek() != want {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// describe writes the metadata of the model and of the server, once.
func describe(opts Options) (model, server []byte) {
	type described struct {
		Name     string `json:"name"`
		Datatype string `json:"datatype"`
		Shape    []int  `json:"shape"`
	}
	model = mustJSON(struct {
		Name     string      `json:"name"`
		Versions []string    `json:"versions"`
		Platform string      `json:"platform"`
		Inputs   []described `json:"inputs"`
		Outputs  []described `json:"outputs"`
	}{
		opts.Name,
		[]string{opts.Version},
		"belay_demo",
		[]described{{inputName, "FP32", []int{-1, digits.Pixels}}},
		[]described{{outputClass, "INT64", []int{-1}}, {outputScores, "FP32", []int{-1, digits.Classes}}},
	})
	server = mustJSON(struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}{"belay-demo-modelserver", opts.Version, []string{}})
	return model, server
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // Plain structs of strings and numbers can always be written as JSON.
	}
	return text
}
