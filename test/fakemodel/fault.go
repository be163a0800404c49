package fakemodel

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Breakage is a way in which an answer can be wrong although its status is 200.
type Breakage string

// The ways to break an answer.
const (
	// Whole answers are not broken.
	Whole Breakage = "whole"
	// NotJSON answers are text of another kind.
	NotJSON Breakage = "notJSON"
	// NoOutputs answers are JSON, but of no inference.
	NoOutputs Breakage = "noOutputs"
	// OtherTensor answers have an output that was never declared.
	OtherTensor Breakage = "otherTensor"
	// CutBody answers end with their connection in the middle of the body.
	CutBody Breakage = "cutBody"
	// Garbage answers are no HTTP at all. Over HTTP/2 the stream is aborted.
	Garbage Breakage = "garbage"
)

// faults is what is wrong at the moment.
type faults struct {
	mu            sync.Mutex
	chance        *rand.Rand
	latency       func(n uint64) time.Duration
	errorShare    float64
	errorStatus   int
	resetting     bool
	broken        Breakage
	live, ready   bool
	inputs        []Tensor
	outputs       []Tensor
	rendered      []byte // The outputs as answers have them.
	data          func(n uint64, tensor string) []any
	hanging       chan struct{} // Closed to let go; nil while requests do not hang.
	probesHanging chan struct{}
}

func (f *faults) init(opts Options) {
	f.chance = rand.New(rand.NewPCG(opts.Seed, 0x66616b65))
	f.errorStatus = http.StatusInternalServerError
	f.broken = Whole
	f.live, f.ready = true, true
	f.setTensors(opts.Inputs, opts.Outputs)
}

func (f *faults) setTensors(inputs, outputs []Tensor) {
	f.inputs, f.outputs, f.rendered = slices.Clone(inputs), slices.Clone(outputs), render(outputs, nil)
}

// change applies a change for all requests that start from now on.
func (s *Server) change(apply func(*faults)) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	apply(&s.faults)
}

// SetLatency makes every request take that long before it is answered.
func (s *Server) SetLatency(d time.Duration) {
	s.SetLatencyFunc(func(uint64) time.Duration { return d })
}

// SetLatencyFunc makes the n-th request, counted from 0, take as long as the function says. It is called by many
// goroutines at once.
func (s *Server) SetLatencyFunc(latency func(n uint64) time.Duration) {
	s.change(func(f *faults) { f.latency = latency })
}

// SetErrors makes a share of requests, from 0 to 1, end with the status, such as 500, after their latency.
func (s *Server) SetErrors(share float64, status int) {
	s.change(func(f *faults) { f.errorShare, f.errorStatus = share, status })
}

// SetHanging makes requests get no answer. Those that hang are answered when it is switched off; those whose caller
// goes away are ended then.
func (s *Server) SetHanging(on bool) {
	s.change(func(f *faults) { f.hanging = toggle(f.hanging, on) })
}

// SetProbesHanging is SetHanging for health and metadata.
func (s *Server) SetProbesHanging(on bool) {
	s.change(func(f *faults) { f.probesHanging = toggle(f.probesHanging, on) })
}

func toggle(gate chan struct{}, on bool) chan struct{} {
	switch {
	case on && gate == nil:
		return make(chan struct{})
	case !on && gate != nil:
		close(gate)
		return nil
	}
	return gate
}

// SetResetting makes every request end with a reset of its connection before a byte of answer (TCP RST; over HTTP/2 a
// reset of its stream).
func (s *Server) SetResetting(on bool) {
	s.change(func(f *faults) { f.resetting = on })
}

// SetBroken makes every answer broken in the given way; Whole makes them good again.
func (s *Server) SetBroken(how Breakage) {
	s.change(func(f *faults) { f.broken = how })
}

// SetReady decides what readiness probes say: 200, or 503. Requests are answered all the same.
func (s *Server) SetReady(ready bool) {
	s.change(func(f *faults) { f.ready = ready })
}

// SetLive decides what the liveness probe says: 200, or 503. Requests are answered all the same.
func (s *Server) SetLive(live bool) {
	s.change(func(f *faults) { f.live = live })
}

// SetTensors changes the tensors that metadata declare and that answers have.
func (s *Server) SetTensors(inputs, outputs []Tensor) {
	s.change(func(f *faults) { f.setTensors(inputs, outputs) })
}

// SetData fills the output tensors of the n-th request, counted from 0, with what the function says of each by its name;
// with zeros where it says nothing. It is called by many goroutines at once.
func (s *Server) SetData(data func(n uint64, tensor string) []any) {
	s.change(func(f *faults) { f.data = data })
}

// fate is what is to happen to one request, settled when it starts.
type fate struct {
	latency   time.Duration
	status    int
	resetting bool
	broken    Breakage
	hanging   chan struct{}
	outputs   []byte
}

// draw settles the fate of the n-th request.
func (f *faults) draw(n uint64) fate {
	f.mu.Lock()
	drawn := fate{
		status: http.StatusOK, resetting: f.resetting, broken: f.broken, hanging: f.hanging, outputs: f.rendered,
	}
	if f.errorShare > 0 && f.chance.Float64() < f.errorShare {
		drawn.status = f.errorStatus
	}
	latency, data, outputs := f.latency, f.data, f.outputs
	f.mu.Unlock()
	if data != nil {
		drawn.outputs = render(outputs, func(tensor string) []any { return data(n, tensor) })
	}
	if latency != nil {
		drawn.latency = latency(n)
	}
	return drawn
}

// health is what probes tell.
type health struct {
	live, ready     bool
	inputs, outputs []Tensor
	hanging         chan struct{}
}

func (f *faults) health() health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return health{live: f.live, ready: f.ready, inputs: f.inputs, outputs: f.outputs, hanging: f.probesHanging}
}
