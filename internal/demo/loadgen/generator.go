// Package loadgen is the traffic of the demo: held-out digits sent as inference requests at times that no answer can
// delay, and the labels that follow a second later.
//
// The Generator promises an open loop. Requests are due at the points of a Poisson process, drawn from a seed; a slow
// server does not slow them down, and latency is counted from when a request was due, so that waiting anywhere counts.
// Requests under way are bounded. What finds all places taken waits, bounded again, and is counted; what finds even the
// waiting room full is dropped, and counted. So a loop that was closed by overload is never passed off as open.
//
// The Labeller promises that each label is reported at least once or counted as lost: batches are retried with the same
// ids, the queue is bounded, and it never holds up the traffic that it listens to.
//
// Neither keeps anything beyond Stop, which waits for every goroutine it started, for a bounded time. A neighbour that
// fails costs counts (Failed, GivenUp), never a hang.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// Options say what is sent where, and how often.
type Options struct {
	// URL is where a request goes, such as http://127.0.0.1:8080/v2/models/digits/infer.
	URL string
	// Digits are what requests are drawn from, with replacement.
	Digits []digits.Digit
	// Rate is the mean number of requests a second.
	Rate float64
	// Seed decides when requests are due and which digits they carry.
	Seed uint64
	// OnAnswer, if given, is told of every request that ended. It is called by many goroutines at once, and its time
	// is taken from the place of a request under way, so it must be short.
	OnAnswer func(Answer)
	// MaxUnderWay is the number of requests under way at once; as many again may wait. 256 by default.
	MaxUnderWay int
	// Timeout is the longest that one request may take once it is sent; 10 s by default.
	Timeout time.Duration
}

// Answer is what became of one request.
type Answer struct {
	// Digit is the index in Options.Digits of what was sent, and Label what its writer meant.
	Digit, Label int
	// Predicted is the class that was answered, where Err is nil.
	Predicted int
	// Arm and Assignment are what the router said in Belay-Arm and Belay-Assignment; empty without a router.
	Arm, Assignment string
	// Shielded is true where the router said in Belay-Shielded that the baseline answered for the candidate.
	Shielded bool
	// Status is the HTTP status; 0 where none arrived.
	Status int
	// Err is nil for a 200 with a class that could be read, and says otherwise what was wrong.
	Err error
	// Due is when the request was to be sent, and Latency the time from then until its answer had been read.
	Due     time.Time
	Latency time.Duration
}

// Stats are counts since the start.
type Stats struct {
	// Due counts requests that the Poisson process asked for. Each is then sent, or Dropped.
	Due uint64
	// Waited counts those that were due while all places were taken, and Dropped those of them that found the waiting
	// room full as well. Both 0 means that the loop was open throughout.
	Waited, Dropped uint64
	// Ended counts requests that were sent and have ended; all but the Abandoned were told to OnAnswer.
	Ended uint64
	// Failed counts those that did not end with status 200 and a class that could be read.
	Failed uint64
	// Abandoned counts those that were cut off because Stop ran out of time. They are in no other count but Ended.
	Abandoned uint64
	// Shielded counts those that the baseline answered for the candidate.
	Shielded uint64
	// Wrong counts those that were answered with another class than the one meant.
	Wrong uint64
	// WorstStart is the longest that the generator itself was late to start a request.
	WorstStart time.Duration
}

// Generator sends traffic until it is stopped.
type Generator struct {
	opts     Options
	header   http.Header
	url      *url.URL
	bodies   [][]byte
	client   *http.Client
	ctx      context.Context
	cancel   context.CancelFunc
	stopping chan struct{}
	stop     sync.Once
	due      chan job
	running  sync.WaitGroup
	count    counters
}

type counters struct {
	due, waited, dropped, ended, failed, abandoned, shielded, wrong atomic.Uint64

	underWay   atomic.Int64
	worstStart atomic.Int64
}

// job is one request that is due.
type job struct {
	digit int
	at    time.Time
}

// Start begins to send. The traffic ends with Stop, or when the context does.
func Start(ctx context.Context, opts Options) (*Generator, error) {
	return start(ctx, opts, newTransport)
}

// start is Start with another way to the server, for tests that let time fly.
func start(ctx context.Context, opts Options, transport func(Options) http.RoundTripper) (*Generator, error) {
	if opts.MaxUnderWay == 0 {
		opts.MaxUnderWay = 256
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	target, err := opts.check()
	if err != nil {
		return nil, fmt.Errorf("start the traffic: %w", err)
	}
	g := &Generator{
		opts:     opts,
		header:   http.Header{"Content-Type": {"application/json"}, "User-Agent": {"belay-demo"}},
		url:      target,
		bodies:   make([][]byte, len(opts.Digits)),
		client:   newClient(opts, transport(opts)),
		stopping: make(chan struct{}),
		due:      make(chan job, opts.MaxUnderWay),
	}
	for i, digit := range opts.Digits {
		g.bodies[i] = encode(digit)
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	for range opts.MaxUnderWay {
		g.running.Go(g.work)
	}
	g.running.Go(g.dispatch)
	return g, nil
}

func (o Options) check() (*url.URL, error) {
	target, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, err
	case target.Scheme != "http" || target.Host == "":
		return nil, fmt.Errorf("%q is no http URL", o.URL)
	case len(o.Digits) == 0:
		return nil, errors.New("there are no digits to send")
	case !(o.Rate > 0 && o.Rate <= 100_000):
		return nil, fmt.Errorf("rate %v, want above 0 and at most 100,000 a second", o.Rate)
	case o.MaxUnderWay < 1 || o.MaxUnderWay > 10_000:
		return nil, fmt.Errorf("%d requests under way, want 1 to 10,000", o.MaxUnderWay)
	case o.Timeout < 0:
		return nil, fmt.Errorf("time-out %v is negative", o.Timeout)
	}
	return target, nil
}

// newClient neither follows redirects nor tries again: what is answered is what is counted.
func newClient(opts Options, transport http.RoundTripper) *http.Client {
	return &http.Client{
		Timeout:       opts.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     transport,
	}
}

// newTransport keeps every connection warm that may be used, for opening one would count as latency, and opens no more
// than there are places.
func newTransport(opts Options) http.RoundTripper {
	return &http.Transport{
		MaxConnsPerHost:     opts.MaxUnderWay,
		MaxIdleConns:        opts.MaxUnderWay,
		MaxIdleConnsPerHost: opts.MaxUnderWay,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
}

// encode writes the inference request for a digit. It asks for the class alone, which is all that is looked at.
func encode(digit digits.Digit) []byte {
	body := []byte(`{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[`)
	for i, pixel := range digit.Pixels {
		if i > 0 {
			body = append(body, ',')
		}
		body = strconv.AppendFloat(body, float64(pixel), 'g', -1, 32)
	}
	return append(body, `]}],"outputs":[{"name":"class"}]}`...)
}

// dispatch hands out requests when they are due, until it is stopped. It never waits for an answer.
func (g *Generator) dispatch() {
	defer close(g.due)
	chance := rand.New(rand.NewPCG(g.opts.Seed, 0x6c6f6164))
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next = next.Add(time.Duration(chance.ExpFloat64() / g.opts.Rate * float64(time.Second)))
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-g.stopping:
			return
		case <-g.ctx.Done():
			return
		}
		g.offer(job{digit: chance.IntN(len(g.opts.Digits)), at: next})
	}
}

func (g *Generator) offer(j job) {
	g.count.due.Add(1)
	if late := int64(time.Since(j.at)); late > g.count.worstStart.Load() {
		g.count.worstStart.Store(late) // Only the dispatcher writes it.
	}
	if g.count.underWay.Add(1) > int64(g.opts.MaxUnderWay) {
		g.count.waited.Add(1)
	}
	select {
	case g.due <- j:
	default:
		g.count.underWay.Add(-1)
		g.count.dropped.Add(1)
	}
}

// Stop ends the traffic: nothing more is sent, and what is under way may end until the context does; what is left then
// is cut off and counted as Abandoned. It returns when all goroutines have ended, and may be called again.
func (g *Generator) Stop(ctx context.Context) error {
	g.stop.Do(func() { close(g.stopping) })
	ended := make(chan struct{})
	go func() { g.running.Wait(); close(ended) }()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = fmt.Errorf("stop the traffic: requests under way were cut off: %w", ctx.Err())
		g.cancel()
		<-ended
	}
	g.cancel()
	g.client.CloseIdleConnections()
	return err
}

// Stats reads the counts. They are read one by one: under traffic they may differ by what is just ending.
func (g *Generator) Stats() Stats {
	c := &g.count
	return Stats{
		Ended:      c.ended.Load(),
		Failed:     c.failed.Load(),
		Abandoned:  c.abandoned.Load(),
		Shielded:   c.shielded.Load(),
		Wrong:      c.wrong.Load(),
		Waited:     c.waited.Load(),
		Dropped:    c.dropped.Load(),
		Due:        c.due.Load(),
		WorstStart: time.Duration(c.worstStart.Load()),
	}
}
