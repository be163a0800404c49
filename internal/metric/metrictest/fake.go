package metrictest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/metric"
)

// Fake is a metric.Source without servers: a fake, for tests of what stands
// above the port. What the server of an address says is told by the test, as a
// function of the time, which is virtual inside a testing/synctest bubble. An
// address that the test has said nothing of refuses.
//
// It starts no goroutine. It is safe for concurrent use, and passes the suite of
// this package.
type Fake struct {
	mu      sync.Mutex
	servers map[string]*fakeServer
	reads   map[string][]time.Time
}

type fakeServer struct {
	say   func(now time.Time) []Sample
	fault Fault
}

var _ metric.Source = (*Fake)(nil)

// NewFake returns a Fake whose servers all refuse.
func NewFake() *Fake {
	return &Fake{servers: map[string]*fakeServer{}, reads: map[string][]time.Time{}}
}

// Say makes the server of an address say what a function of the time returns.
func (f *Fake) Say(address string, say func(now time.Time) []Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server(address).say = say
}

// Misbehave makes the server of an address answer no more, or again.
func (f *Fake) Misbehave(address string, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server(address).fault = how
}

// Reads are the times at which an address was read.
func (f *Fake) Reads(address string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reads[address])
}

// server returns the server of an address; f.mu is held.
func (f *Fake) server(address string) *fakeServer {
	if f.servers[address] == nil {
		f.servers[address] = &fakeServer{}
	}
	return f.servers[address]
}

var (
	errRefused = errors.New("connection refused")
	errFails   = errors.New("it answers 500 Internal Server Error")
)

// Read implements metric.Source.
func (f *Fake) Read(ctx context.Context, address string, want []query.Selector) (query.Page, error) {
	f.mu.Lock()
	f.reads[address] = append(f.reads[address], time.Now())
	server := fakeServer{fault: Refuse}
	if s := f.servers[address]; s != nil {
		server = *s
	}
	f.mu.Unlock()
	switch {
	case server.fault == Hang:
		<-ctx.Done()
		return nil, errors.New("it did not answer in time")
	case ctx.Err() != nil:
		return nil, errors.New("it was not asked: the time is over")
	case server.fault == Fail:
		return nil, errFails
	case server.fault == Refuse, server.say == nil:
		return nil, errRefused
	}
	samples := server.say(time.Now())
	page := make(query.Page, len(want))
	for i, s := range want {
		page[i] = choose(samples, s)
	}
	return page, nil
}

// choose returns the series that a selector selects.
func choose(samples []Sample, s query.Selector) []query.Point {
	out := []query.Point{}
	for _, sample := range samples {
		if sample.Name == s.Name && s.Matches(func(label string) string { return sample.Labels[label] }) {
			out = append(out, query.Point{Key: sample.key(), Value: sample.Value})
		}
	}
	return out
}

func (s Sample) key() string {
	var parts []string
	for label, v := range s.Labels {
		parts = append(parts, label+"="+strconv.Quote(v))
	}
	slices.Sort(parts)
	return s.Name + "{" + strings.Join(parts, ",") + "}"
}
