// Package modelserver serves a digits network over real sockets by the Open Inference Protocol (version 2, REST), as a
// model server of the field would: metadata, health, strict tensors in, tensors out, errors as {"error": "..."}.
//
// It promises that every answer is the network's own. What it adds is declared beforehand in Behaviour and nothing
// else: a service time that is really waited, and for the demo's bad versions a share of slow and of failing requests,
// drawn from a seed request by request. It never looks at a digit to decide whether to be slow or to fail.
//
// It is economical, because demo, router and generator share a small machine: waiting uses timers, bodies and answers
// use pooled buffers. It is bounded: bodies, rows and requests under way have limits, and Close ends in bounded time.
// When a caller goes away its request is dropped at once; a request over a limit gets a 4xx or 503, never silence.
package modelserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// Model answers one digit: its class, and the scores of all classes. It is called by many goroutines at once.
type Model interface {
	Predict(pixels []float32) (class int, scores [digits.Classes]float32)
}

// Options say what is served, and how.
type Options struct {
	// Name is the model's name in paths and answers.
	Name string
	// Version is the version in paths and answers.
	Version string
	// Model gives the answers.
	Model Model
	// Behaviour is the declared service time, and what goes wrong.
	Behaviour Behaviour
	// Address is where to listen; 127.0.0.1 with a free port by default.
	Address string
	// Grace is how long Close lets requests under way finish; a second by default.
	Grace time.Duration
	// Log gets what the HTTP server has to complain about; nothing is logged by default.
	Log *slog.Logger
}

const (
	maxBody     = 1 << 20
	maxRows     = 256
	maxUnderWay = 1024
)

// Server is a model server that is running.
type Server struct {
	opts     Options
	metadata []byte
	about    []byte
	listener net.Listener
	http     *http.Server
	served   chan error
	closing  atomic.Bool
	meter    meter
}

// Start listens and serves until Close. An error means that nothing was started.
func Start(ctx context.Context, opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start a model server: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", opts.Address)
	if err != nil {
		return nil, fmt.Errorf("start model server %s %s: %w", opts.Name, opts.Version, err)
	}
	s := &Server{opts: opts, listener: listener, served: make(chan error, 1)}
	s.metadata, s.about = describe(opts)
	s.meter.base = time.Now()
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         s.meter.connection,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Name == "" || o.Version == "" || o.Model == nil {
		return o, errors.New("name, version and model must be given")
	}
	if err := o.Behaviour.check(); err != nil {
		return o, err
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Grace <= 0 {
		o.Grace = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// URL is the root of the server, such as http://127.0.0.1:40123.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close stops listening, lets requests under way finish for the grace time, then cuts them off, and returns when all
// of them have ended. It may be called again.
func (s *Server) Close() error {
	if s.closing.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Grace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // The grace time is over: what is left is cut off, as announced.
	}
	if end := <-s.served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	s.meter.connections.Wait()
	if err != nil {
		return fmt.Errorf("close model server %s %s: %w", s.opts.Name, s.opts.Version, err)
	}
	return nil
}
