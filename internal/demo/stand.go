package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/demo/digits"
	"github.com/belay-rollouts/belay/internal/demo/loadgen"
	"github.com/belay-rollouts/belay/internal/demo/modelserver"
)

// closeWithin bounds what is done to take one thing down.
const closeWithin = 10 * time.Second

// stand is everything that runs while the demo does.
type stand struct {
	split    digits.Split
	networks map[string]digits.Trained // by version; v1 and those that are trained
	servers  map[string]*modelserver.Server
	belay    *server
	api      *client.Client
	traffic  *loadgen.Generator
	labels   *loadgen.Labeller
	counts   outcomeCounts
	pace     pace

	cleanups []cleanup // run last-in first-out
}

// cleanup takes one thing down.
type cleanup struct {
	what string
	do   func(context.Context) error
}

func (s *stand) onClose(what string, do func(context.Context) error) {
	s.cleanups = append(s.cleanups, cleanup{what, do})
}

// close takes everything down, the latest first, each in bounded time. It may be called again.
func (s *stand) close(ctx context.Context) error {
	var errs []error
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		if err := last.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", last.what, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// train splits the digits and trains every network that is needed, all at once: it is the only long work of the start.
func (s *stand) train(ctx context.Context, seed uint64, candidates []Candidate) error {
	var err error
	if s.split, err = digits.NewSplit(seed); err != nil {
		return err
	}
	versions := map[string]digits.Version{baseline: digits.Serving()}
	for _, c := range candidates {
		if c.network != nil {
			versions[c.Version] = c.network()
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	s.networks = map[string]digits.Trained{}
	for name, version := range versions {
		all.Go(func() {
			trained, err := version.Train(ctx, s.split, seed)
			mu.Lock()
			defer mu.Unlock()
			s.networks[name] = trained
			if err != nil {
				errs = append(errs, fmt.Errorf("train %s: %w", name, err))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// network is what a version serves: its own, or that of v1.
func (s *stand) network(version string) digits.Trained {
	if trained, ok := s.networks[version]; ok {
		return trained
	}
	return s.networks[baseline]
}

// serve starts the model server of a version.
func (s *stand) serve(ctx context.Context, version string, behaviour modelserver.Behaviour) (*modelserver.Server, error) {
	m, err := modelserver.Start(ctx, modelserver.Options{
		Name: modelName, Version: version, Model: s.network(version).Network, Behaviour: behaviour,
	})
	if err != nil {
		return nil, err
	}
	if s.servers == nil {
		s.servers = map[string]*modelserver.Server{}
	}
	s.servers[version] = m
	s.onClose("stop "+version, func(context.Context) error { return m.Close() })
	return m, nil
}

// open starts Belay in a directory of its own, and a client of its API.
func (s *stand) open(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp(o.TempDir, "belay-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory for the demo's data: %w", err)
	}
	s.onClose("remove the demo's data", func(context.Context) error { return os.RemoveAll(dir) })
	if s.belay, err = startServer(ctx, dir, o); err != nil {
		return err
	}
	s.onClose("stop the server", s.belay.stop)
	s.api, err = client.New(client.Options{Server: s.belay.admin(), Actor: "demo", UserAgent: "belay-demo"})
	if err != nil {
		return err
	}
	s.onClose("close the client", func(context.Context) error { s.api.Close(); return nil })
	return nil
}

// drive starts the traffic and the labels that follow it. Both outlive the caller's context, so that they can be stopped
// in order.
func (s *stand) drive(ctx context.Context, o Options) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	s.labels, err = loadgen.StartLabeller(ctx, loadgen.LabelOptions{
		Report: s.report, Prefix: "demo", Metric: outcomeName,
	})
	if err != nil {
		return err
	}
	s.onClose("stop the labels", s.labels.Stop)
	s.traffic, err = loadgen.Start(ctx, loadgen.Options{
		URL:    s.belay.traffic() + "/v2/models/" + modelName + "/infer",
		Digits: s.split.HeldOut, Rate: o.Rate, Seed: o.Seed,
		OnAnswer: func(a loadgen.Answer) {
			s.pace.observe(a)
			s.labels.Observe(a)
		},
	})
	if err != nil {
		return err
	}
	s.onClose("stop the traffic", s.traffic.Stop)
	return nil
}

// outcomeCounts is what became of labels at the server.
type outcomeCounts struct {
	mu       sync.Mutex
	accepted uint64
	refused  uint64
	why      string
}

// report sends labels through the public API.
func (s *stand) report(ctx context.Context, labels []loadgen.Outcome) error {
	outcomes := make([]client.Outcome, len(labels))
	for i, l := range labels {
		outcomes[i] = client.Outcome{ID: l.ID, Assignment: l.Assignment, Metric: l.Metric, Value: l.Value, Time: l.Time}
	}
	result, err := s.api.Outcomes(ctx, outcomes)
	if err != nil {
		return err
	}
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	s.counts.accepted += uint64(result.Accepted)
	s.counts.refused += uint64(len(result.Refused))
	if len(result.Refused) > 0 {
		s.counts.why = result.Refused[0].Reason
	}
	return nil
}

func (c *outcomeCounts) read() (accepted, refused uint64, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.refused, c.why
}
