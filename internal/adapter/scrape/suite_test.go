package scrape_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belay-rollouts/belay/internal/adapter/scrape"
	"github.com/belay-rollouts/belay/internal/metric/metrictest"
)

// server is a real server with a metrics page of client_golang.
type server struct {
	tb      testing.TB
	address string
	page    http.Handler

	mu      sync.Mutex
	samples []metrictest.Sample
	fault   metrictest.Fault
	changed chan struct{} // closed when the fault changes
	http    *http.Server
}

func newServer(tb testing.TB) *server {
	tb.Helper()
	s := &server{tb: tb, address: "127.0.0.1:0", changed: make(chan struct{})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	s.page = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	s.listen()
	tb.Cleanup(func() { s.misbehave(metrictest.Refuse) })
	return s
}

// url is the address of the page.
func (s *server) url() string { return "http://" + s.address + "/metrics" }

// Describe implements prometheus.Collector: it may say anything.
func (s *server) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *server) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range s.samples {
		desc := prometheus.NewDesc(sample.Name, "Help.", nil, prometheus.Labels(sample.Labels))
		out <- prometheus.MustNewConstMetric(desc, prometheus.UntypedValue, sample.Value)
	}
}

func (s *server) say(samples ...metrictest.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = samples
}

// ServeHTTP answers as the fault says.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault, changed := s.fault, s.changed
	s.mu.Unlock()
	switch fault {
	case metrictest.Hang:
		select {
		case <-r.Context().Done():
		case <-changed:
		}
	case metrictest.Fail:
		http.Error(w, "no", http.StatusInternalServerError)
	case metrictest.None, metrictest.Refuse:
		s.page.ServeHTTP(w, r)
	}
}

func (s *server) misbehave(how metrictest.Fault) {
	s.mu.Lock()
	s.fault = how
	close(s.changed)
	s.changed = make(chan struct{})
	running := s.http
	if how == metrictest.Refuse {
		s.http = nil
	}
	s.mu.Unlock()
	switch {
	case how == metrictest.Refuse && running != nil:
		if err := running.Close(); err != nil {
			s.tb.Errorf("close: %v", err)
		}
	case how != metrictest.Refuse && running == nil:
		s.listen()
	}
}

// listen serves, at the same address as before.
func (s *server) listen() {
	s.tb.Helper()
	var l net.Listener
	var err error
	for range 100 { // Another socket may just hold the port.
		var lc net.ListenConfig
		if l, err = lc.Listen(context.Background(), "tcp", s.address); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	s.address = l.Addr().String()
	web := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.mu.Lock()
	s.http = web
	s.mu.Unlock()
	go func() { _ = web.Serve(l) }() // It ends with Close.
}

func source(tb testing.TB) *scrape.Source {
	tb.Helper()
	s := scrape.New()
	tb.Cleanup(s.Close)
	return s
}

func TestScrapingIsASource(t *testing.T) {
	t.Parallel()
	metrictest.Run(t, func(t *testing.T) metrictest.World {
		s := newServer(t)
		return metrictest.World{Source: source(t), Address: s.url(), Say: s.say, Misbehave: s.misbehave}
	})
}
