package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/upstream"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// patience bounds every wait of a test.
const patience = 10 * time.Second

// rolloutNumber is the number of the rollout in every test's table.
const rolloutNumber = 7

// world is a router on a port with two fake model servers behind it.
type world struct {
	router    *Router
	addr      string
	baseline  *fakemodel.Server
	candidate *fakemodel.Server
	urls      [split.Arms]string // of the two, or of what stands for them
	client    *http.Client
	signer    *assignment.Signer
	// generation of the last table.
	generation uint64
}

// newWorld starts a world without a table.
func newWorld(t testing.TB, l Limits) *world {
	t.Helper()
	w := &world{
		baseline:  fakemodel.Start(t, fakemodel.Options{Model: "m", Version: "v1"}),
		candidate: fakemodel.Start(t, fakemodel.Options{Model: "m", Version: "v2"}),
		signer:    assignment.NewSigner(bytes.Repeat([]byte{7}, assignment.KeySize)),
		client:    newClient(t),
	}
	w.urls = [split.Arms]string{w.baseline.URL(), w.candidate.URL()}
	w.router = New(Options{Signer: w.signer, Limits: l})
	w.addr = serveOn(t, w.router)
	return w
}

func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// serveOn serves a router until the test ends.
func serveOn(t testing.TB, r *Router) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = r.Shutdown(ctx) // A test may have left requests hanging.
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// plan is what a test's table says beyond its weight.
type plan struct {
	protocol table.Protocol // default v2
	unit     table.Unit     // default header:X-User-Id
	noShield bool
	pins     bool
	stratum  uint8
	warmUp   time.Time
	alone    bool // no rollout
	layout   *evidence.Layout
	segments []table.Unit
	scales   []evidence.Scale
}

var sticky = table.Unit{Source: table.UnitHeader, Name: "x-user-id"}

// layoutOf is a layout with a p99 at 10 %.
func layoutOf(u table.Unit) *evidence.Layout {
	l := evidence.NewLayout(u.Clustered())
	base, steps := evidence.BaseFor(0.10)
	l.Sketches = []evidence.Base{base}
	l.Tails = []evidence.Tail{{Quantile: 0.99, Steps: steps}}
	return &l
}

func (w *world) table(weight uint32, p plan) *table.Table {
	if p.protocol == "" {
		p.protocol = table.V2
	}
	if p.unit.Source == "" {
		p.unit = sticky
	}
	if p.layout == nil {
		p.layout = layoutOf(p.unit)
	}
	route := &table.Route{
		Model: "m", Protocol: p.protocol, Unit: p.unit,
		Baseline: table.Version{Name: "v1", URL: mustURL(w.urls[split.Baseline])},
	}
	if p.protocol == table.V2 {
		route.Match.PathPrefix = "/v2/models/m"
	}
	if !p.alone {
		route.Split = &table.Split{
			Segments: p.segments, Scales: p.scales,
			Rollout: rolloutNumber, Name: "m-v2", Salt: 0x5eed, Stratum: p.stratum, Weight: weight, Layout: p.layout,
			Candidate: table.Version{Name: "v2", URL: mustURL(w.urls[split.Candidate])},
			Shield:    !p.noShield, AllowPin: p.pins, LatencyFrom: p.warmUp,
		}
	}
	w.generation++
	return table.Build(w.generation, []*table.Route{route})
}

// swap puts a table in force.
func (w *world) swap(t testing.TB, weight uint32, p plan) {
	t.Helper()
	if err := w.router.Swap(w.table(weight, p)); err != nil {
		t.Fatal(err)
	}
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// answered is an answer as a caller got it.
type answered struct {
	status int
	header http.Header
	body   string
}

func (a answered) arm() string { return a.header.Get(armField) }

const inferBody = `{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}`

// infer sends an inference of a unit.
func (w *world) infer(t testing.TB, unit string) answered {
	t.Helper()
	a, err := w.try(unit, inferBody)
	if err != nil {
		t.Fatalf("unit %s: %v", unit, err)
	}
	return a
}

// try is infer for any goroutine.
func (w *world) try(unit, body string) (answered, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url("/v2/models/m/infer"), strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if unit != "" {
		req.Header.Set("X-User-Id", unit)
	}
	return w.send(req)
}

func (w *world) url(path string) string { return "http://" + w.addr + path }

func (w *world) send(req *http.Request) (answered, error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answered{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

// do sends any request with some header lines ("Name: value").
func (w *world) do(t testing.TB, method, path, body string, header ...string) answered {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.url(path), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	a, err := w.send(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// raw sends bytes over a connection of its own and returns what comes back
// until the server closes or says nothing for a while.
func (w *world) raw(t testing.TB, text string) string {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(&out, c)
	return out.String()
}

// seen is what a router counted, merged over all batches so far.
type seen struct {
	strata    map[uint8]*evidence.Stratum
	exposures []evidence.Exposure
}

// collect adds what the router has counted since.
func (s *seen) collect(w *world, l *evidence.Layout) {
	if s.strata == nil {
		s.strata = map[uint8]*evidence.Stratum{}
	}
	for _, b := range w.router.Collect() {
		if s.strata[b.Stratum] == nil {
			s.strata[b.Stratum] = evidence.NewStratum(l)
		}
		s.strata[b.Stratum].Merge(b.Delta)
		s.exposures = append(s.exposures, b.Exposures...)
	}
}

// side returns what an arm did in a stratum; empty if nothing.
func (s *seen) side(stratum uint8, arm split.Arm) evidence.Side {
	if s.strata[stratum] == nil {
		l := evidence.NewLayout(false)
		return evidence.NewStratum(&l).Sides[arm]
	}
	return s.strata[stratum].Sides[arm]
}

func (s *seen) requests(stratum uint8) uint64 {
	return s.side(stratum, split.Baseline).Requests + s.side(stratum, split.Candidate).Requests
}

// collected waits until the router has counted n requests of stratum 0 and
// returns all it has counted.
func (w *world) collected(t testing.TB, u table.Unit, n uint64) *seen {
	t.Helper()
	s, l := &seen{}, layoutOf(u)
	waitFor(t, fmt.Sprintf("%d requests", n), func() bool {
		s.collect(w, l)
		return s.requests(0) >= n
	})
	if got := s.requests(0); got != n {
		t.Errorf("%d requests were counted, want %d", got, n)
	}
	return s
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// state of the rollout.
func (w *world) state(t testing.TB) RolloutState {
	t.Helper()
	s, ok := w.router.Rollout(rolloutNumber)
	if !ok {
		t.Fatal("the table in force does not name the rollout")
	}
	return s
}

// impatient gives versions little time.
func impatient() Limits {
	return Limits{Upstream: upstream.Limits{Head: time.Second, Silence: time.Second, Connect: time.Second}}
}
