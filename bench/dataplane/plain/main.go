// Command plain is what one writes around httputil.ReverseProxy: two arms by a
// sticky hash of the user, and a histogram of latencies for each. It is what
// Belay's data plane is compared with, and is not for use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/bits"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1) //nolint:forbidigo // This is a command, though not one of the product.
	}
}

func run(ctx context.Context) error {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to serve at")
	baseline := flag.String("baseline", "", "host:port of the baseline")
	candidate := flag.String("candidate", "", "host:port of the candidate")
	flag.Parse()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newSplitter(*baseline, *candidate), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Printf("traffic http://%s\n", l.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-done
	return nil
}

// histogram counts durations: sixteen steps for each power of two nanoseconds.
type histogram [64 * steps]atomic.Uint64

const steps = 16

func (h *histogram) add(d time.Duration) {
	ns := uint64(max(d, 0))
	at := ns
	if ns >= steps {
		power := uint64(bits.Len64(ns) - 5)
		at = (power+1)*steps + (ns>>power)%steps
	}
	h[at].Add(1)
}

// arm is an upstream and what was seen of it.
type arm struct {
	base      *url.URL
	latencies histogram
	failed    atomic.Uint64
}

// splitter sends a tenth of the users to the candidate.
type splitter struct {
	arms  [2]arm
	proxy httputil.ReverseProxy
}

type armKey struct{}

func newSplitter(baseline, candidate string) *splitter {
	s := &splitter{}
	s.arms[split.Baseline].base = &url.URL{Scheme: "http", Host: baseline}
	s.arms[split.Candidate].base = &url.URL{Scheme: "http", Host: candidate}
	s.proxy = httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(armOf(r.In.Context()).base)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:  (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConns: 2048, MaxIdleConnsPerHost: 512, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		},
		BufferPool: &buffers{},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			armOf(r.Context()).failed.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return s
}

func armOf(ctx context.Context) *arm { return ctx.Value(armKey{}).(*arm) }

// ServeHTTP implements http.Handler.
func (s *splitter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	const salt, tenth = split.Salt(0x9e3779b97f4a7c15), split.Whole / 10
	to := &s.arms[split.Pick(salt.Hash(r.Header.Get("X-User-Id")), tenth)]
	// Without it the server closes the caller's body with the first byte of the
	// answer. A transport that has sent all of it, and looks whether more follows,
	// then fails and cuts the answer off: where an upstream answers fast, and the
	// machine is busy, one in a thousand streams ends so.
	_ = http.NewResponseController(w).EnableFullDuplex()
	s.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), armKey{}, to)))
	to.latencies.add(time.Since(began))
}

// buffers keeps buffers for bodies.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
