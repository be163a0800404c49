// Package upstream is the router's side towards the model servers: one
// Endpoint per version, with a warm pool of HTTP/1.1 connections and a probe
// that runs all the time.
//
// It promises that a version's fault stays the version's: heads are bounded,
// every wait has an end, and what went wrong comes back as a Failure that says
// which kind it was. A request is sent once; only a pooled connection that the
// server had closed meanwhile is replaced by a fresh one. The package never
// chooses a version and never retries elsewhere; that is the router's.
//
// A probe's result informs and is never a condition of sending: a server that
// fails its probe and answers requests is used as the table says.
//
// The client is written for one purpose: the goroutine of the request does
// both sides, a small message is one write, and no header is copied more often
// than needed. Only a streamed body is sent by a goroutine of its own.
package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Request is one message to a version.
type Request struct {
	Method string
	// Target is path and query as the caller wrote them.
	Target string
	// Header holds end-to-end fields only, and is not changed. Fields of the
	// framing (Content-Length, Host and the like) are left out by the sender.
	Header http.Header
	// Body is nil for none.
	Body *Body
	// Hint is told of interim answers (103), if it is not nil.
	Hint func(status int, header http.Header)
}

// Body is what a request carries: Bytes, or a stream.
type Body struct {
	// Bytes is the whole body where it is small and was read beforehand.
	Bytes []byte
	// Open returns a stream from its first byte; nil when that is gone.
	Open func() io.ReadCloser
	// Length of a stream; -1 where it is not known.
	Length int64
	// Trailer holds the names of a stream's trailers at first, and their
	// values once the stream was read to its end.
	Trailer http.Header

	senders sync.WaitGroup
}

// Wait waits for every goroutine that still sends the body. The caller makes
// sure that reading the stream fails from now on.
func (b *Body) Wait() { b.senders.Wait() }

// Answer is a version's answer from its head on.
type Answer struct {
	Status int
	Header http.Header // with the framing removed, but for Content-Length
	Length int64       // -1 where it is not known beforehand
	// Body is never nil and must be closed; its errors are Failures. Read to
	// its end it gives its connection back.
	Body io.ReadCloser
	// Trailer is filled once Body was read to its end.
	Trailer http.Header
}

// Limits bound what an endpoint may cost. Zero fields take the default.
type Limits struct {
	Connect  time.Duration // to open a connection; default 3 s
	Head     time.Duration // from the request's last byte to the answer's head; default 30 s
	Silence  time.Duration // between bytes of an answer; default 5 min
	HeadSize int           // of an answer's head and of its trailers, in bytes; default 64 KiB
	Idle     int           // connections kept per endpoint; default 1024
	Warm     int           // connections opened beforehand; default 2
	Probe    time.Duration // between probes, and the limit of each; default 1 s
}

// WithDefaults returns the limits with every zero replaced.
func (l Limits) WithDefaults() Limits {
	orDefault(&l.Connect, 3*time.Second)
	orDefault(&l.Head, 30*time.Second)
	orDefault(&l.Silence, 5*time.Minute)
	orDefault(&l.HeadSize, 64<<10)
	orDefault(&l.Idle, 1024)
	orDefault(&l.Warm, 2)
	orDefault(&l.Probe, time.Second)
	return l
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Network is how connections are opened. Its zero value is the real one.
type Network struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config // for https; nil verifies by the system's roots
}
