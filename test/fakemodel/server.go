// Package fakemodel is a fake model server, for tests of what stands in front of one. It speaks the Open Inference
// Protocol (version 2, REST) and plain HTTP, over HTTP/1.1 and cleartext HTTP/2, on a real socket, and can be made to
// misbehave while it runs: slow, failing, hanging, refusing, resetting, answering nonsense, not ready, of other tensors.
//
// It knows no model: an answer has the tensors that were declared, filled with zeros or as a test says, and says which
// version gave it.
// It counts requests and remembers when they started. Probes (health and metadata) are apart from requests: they are
// counted by themselves, and no fault but Refuse, SetProbesHanging, SetLive and SetReady touches them.
//
// Nothing it starts outlives Close, which ends in about a second at the longest, whatever hangs. Memory is bounded: bodies
// over 4 MiB are refused, and only the last request and the starts of the last 65,536 are kept.
package fakemodel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Tensor declares one input or output of the model, as metadata tell it.
type Tensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// Options say what the fake stands for. The zero value is a good model server.
type Options struct {
	// Model and Version are names in paths and answers; "model" and "v1" by default.
	Model, Version string
	// Inputs and Outputs are the declared tensors; x FP32 [-1,4] and y FP32 [-1,1] by default.
	Inputs, Outputs []Tensor
	// Address is where to listen; a free port of 127.0.0.1 by default.
	Address string
	// Probes are paths, besides those of the protocol, that answer as readiness does, such as /healthz.
	Probes []string
	// Handler, if given, answers requests outside /v2 that meet no fault; by default they get 200 and the version.
	Handler http.Handler
	// Seed decides which requests fail when only a share does.
	Seed uint64
}

func (o Options) withDefaults() Options {
	if o.Model == "" {
		o.Model = "model"
	}
	if o.Version == "" {
		o.Version = "v1"
	}
	if o.Inputs == nil {
		o.Inputs = []Tensor{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 4}}}
	}
	if o.Outputs == nil {
		o.Outputs = []Tensor{{Name: "y", Datatype: "FP32", Shape: []int64{-1, 1}}}
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	return o
}

// grace is how long Close and Refuse wait for handlers to notice that their connection is gone.
const grace = time.Second

// Server is a fake model server that is running.
type Server struct {
	opts    Options
	address string
	faults  faults
	tally   tally
	closed  chan struct{}

	mu        sync.Mutex // Guards what follows: whether, and with what, the server listens.
	listening *listening
	ended     bool
}

// listening is one time of accepting connections; Refuse ends it and Accept begins another.
type listening struct {
	http        *http.Server
	served      chan error
	connections sync.WaitGroup
}

// Start runs a fake until the test ends, and fails the test if it cannot.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New runs a fake until Close, for programs that are no tests.
func New(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{opts: opts, address: opts.Address, closed: make(chan struct{})}
	s.tally.base = time.Now()
	s.faults.init(opts)
	if err := s.Accept(); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the root of the server, such as http://127.0.0.1:40123. It stays the same through Refuse and Accept.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Addr is the address that the server listens on, such as 127.0.0.1:40123.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

// InferURL is where inference requests go.
func (s *Server) InferURL() string { return s.URL() + "/v2/models/" + s.opts.Model + "/infer" }

// Refuse makes the server one that is down: open connections are closed, new ones refused, until Accept.
func (s *Server) Refuse() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listening
	if l == nil {
		return nil
	}
	s.listening = nil
	err := l.http.Close()
	if end := <-l.served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if !waitFor(&l.connections, grace) {
		err = errors.Join(err, fmt.Errorf("a handler has not ended within %v", grace))
	}
	if err != nil {
		return fmt.Errorf("refuse connections: %w", err)
	}
	return nil
}

// Accept makes a server that refused accept connections again, at the same address. It tries for a second, for another
// socket may just hold the port.
func (s *Server) Accept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errors.New("accept connections: the fake model server is closed")
	}
	if s.listening != nil {
		return nil
	}
	listener, err := listen(s.address)
	if err != nil {
		return fmt.Errorf("accept connections: %w", err)
	}
	s.address = listener.Addr().String()
	l := &listening{served: make(chan error, 1)}
	l.http = &http.Server{
		Handler:           s,
		Protocols:         new(http.Protocols),
		ConnState:         l.connection,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // Faults are meant; they would only clutter the tests' output.
	}
	l.http.Protocols.SetHTTP1(true)
	l.http.Protocols.SetUnencryptedHTTP2(true)
	go func() { l.served <- l.http.Serve(listener) }()
	s.listening = l
	return nil
}

func listen(address string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", address)
		if err == nil {
			return listener, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// connection keeps count of open connections, for Refuse to wait for. One that a fault took over ends with its handler.
func (l *listening) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.connections.Done()
	case http.StateActive, http.StateIdle:
	}
}

// waitFor waits for a group, and says whether it ended in time.
func waitFor(group *sync.WaitGroup, longest time.Duration) bool {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(longest):
		return false
	}
}

// Close ends the server and everything under way. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	s.mu.Unlock()
	if first {
		close(s.closed)
	}
	return s.Refuse()
}
