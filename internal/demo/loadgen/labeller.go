package loadgen

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Outcome is one label as it is reported: whether the answer that the token stands for was right.
type Outcome struct {
	// ID is the same in every attempt to report this outcome, and given to no other.
	ID string
	// Assignment is the token that came with the answer.
	Assignment string
	// Metric is the name of what is reported, such as correct.
	Metric string
	// Value is 1 for a right answer and 0 for a wrong one.
	Value float64
	// Time is when the answer was given, in UTC.
	Time time.Time
}

// LabelOptions say how labels are reported.
type LabelOptions struct {
	// Report delivers a batch. It may be called again with the same outcomes after an error, and must end with its
	// context. It is never called twice at once.
	Report func(ctx context.Context, outcomes []Outcome) error
	// Prefix begins every id; it must differ between labellers that report to one server.
	Prefix string
	// Metric is the name of what is reported; correct by default.
	Metric string
	// Delay is how long after its answer a label is known; a second by default.
	Delay time.Duration
	// Every is the time between two batches; 200 ms by default.
	Every time.Duration
	// MaxBatch is the number of outcomes in a batch, 500 by default, and MaxQueue the number that may wait for theirs,
	// 50,000 by default: a minute of traffic of the demo.
	MaxBatch, MaxQueue int
	// Attempts is how often a batch is tried, 6 by default; Pause is the time after the first failure, 100 ms by
	// default, and doubles with each further one.
	Attempts int
	Pause    time.Duration
	// Timeout is the longest that one attempt may take; 5 s by default.
	Timeout time.Duration
}

// LabelStats are counts since the start.
type LabelStats struct {
	// Taken counts labels that were queued, and Dropped those that found the queue full.
	Taken, Dropped uint64
	// Reported counts labels that were delivered, GivenUp those that were not in any attempt or before Stop ran out of
	// time, and Retries the attempts after a first one.
	Reported, GivenUp, Retries uint64
	// LastErr is the latest error of Report; nil if there was none.
	LastErr error
}

// Labeller reports whether answers were right, some time after they were given.
type Labeller struct {
	opts     LabelOptions
	ctx      context.Context
	cancel   context.CancelFunc
	stopping chan struct{}
	stop     sync.Once
	ended    chan struct{}

	mu    sync.Mutex
	queue []labelled
	next  uint64
	stats LabelStats
}

type labelled struct {
	outcome Outcome
	known   time.Time
}

// StartLabeller begins to report. It ends with Stop, or when the context does.
func StartLabeller(ctx context.Context, opts LabelOptions) (*Labeller, error) {
	opts = opts.withDefaults()
	if opts.Report == nil || opts.Prefix == "" {
		return nil, errors.New("start the labeller: report and prefix must be given")
	}
	l := &Labeller{opts: opts, stopping: make(chan struct{}), ended: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(ctx)
	go l.run()
	return l, nil
}

func (o LabelOptions) withDefaults() LabelOptions {
	duration := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	number := func(value *int, otherwise int) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	if o.Metric == "" {
		o.Metric = "correct"
	}
	duration(&o.Delay, time.Second)
	duration(&o.Every, 200*time.Millisecond)
	duration(&o.Pause, 100*time.Millisecond)
	duration(&o.Timeout, 5*time.Second)
	number(&o.MaxBatch, 500)
	number(&o.MaxQueue, 50_000)
	number(&o.Attempts, 6)
	return o
}

// Observe takes an answer in, to report its label later. Answers that failed or carry no assignment have no label. It
// does not wait, and may be given to a Generator as OnAnswer.
func (l *Labeller) Observe(answer Answer) {
	if answer.Err != nil || answer.Assignment == "" {
		return
	}
	value := 0.0
	if answer.Predicted == answer.Label {
		value = 1
	}
	given := answer.Due.Add(answer.Latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= l.opts.MaxQueue {
		l.stats.Dropped++
		return
	}
	l.stats.Taken++
	l.next++
	l.queue = append(l.queue, labelled{
		outcome: Outcome{
			ID: l.opts.Prefix + "-" + strconv.FormatUint(l.next, 10), Assignment: answer.Assignment,
			Metric: l.opts.Metric, Value: value, Time: given.UTC(),
		},
		known: given.Add(l.opts.Delay),
	})
}

func (l *Labeller) run() {
	defer close(l.ended)
	ticker := time.NewTicker(l.opts.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.flush(false)
		case <-l.stopping:
			l.flush(true)
			return
		case <-l.ctx.Done():
			l.flush(true) // Nothing can be sent any more: this counts what is left as given up.
			return
		}
	}
}

// flush reports what is known by now, or all there is, batch by batch.
func (l *Labeller) flush(all bool) {
	for {
		batch := l.take(time.Now(), all)
		if len(batch) == 0 {
			return
		}
		err := l.deliver(batch)
		l.mu.Lock()
		if err == nil {
			l.stats.Reported += uint64(len(batch))
		} else {
			l.stats.GivenUp += uint64(len(batch))
		}
		l.mu.Unlock()
	}
}

// take removes the next batch from the queue. Answers end in another order than they were given in, but by
// milliseconds, so the first label that is not known yet ends the batch.
func (l *Labeller) take(now time.Time, all bool) []Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	var batch []Outcome
	for _, entry := range l.queue {
		if len(batch) == l.opts.MaxBatch || !all && entry.known.After(now) {
			break
		}
		batch = append(batch, entry.outcome)
	}
	l.queue = l.queue[len(batch):]
	return batch
}

// deliver tries to report a batch, always the same outcomes with the same ids, so that one that had arrived before an
// error came back is not counted twice.
func (l *Labeller) deliver(batch []Outcome) error {
	pause := l.opts.Pause
	for attempt := 1; ; attempt++ {
		err := l.attempt(batch)
		if err == nil {
			return nil
		}
		l.mu.Lock()
		l.stats.LastErr = err
		l.mu.Unlock()
		if attempt == l.opts.Attempts || !l.sleep(pause) {
			return err
		}
		pause *= 2
		l.mu.Lock()
		l.stats.Retries++
		l.mu.Unlock()
	}
}

func (l *Labeller) attempt(batch []Outcome) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.Timeout)
	defer cancel()
	return l.opts.Report(ctx, batch)
}

// sleep waits, and says false if the labeller was cut off meanwhile.
func (l *Labeller) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// Stop reports at once what is still queued, until the context ends; what is left then counts as given up. It returns
// when nothing runs any more, and may be called again.
func (l *Labeller) Stop(ctx context.Context) error {
	l.stop.Do(func() { close(l.stopping) })
	defer l.cancel()
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		l.cancel()
		<-l.ended
		return fmt.Errorf("stop the labeller: %w", ctx.Err())
	}
}

// Stats reads the counts.
func (l *Labeller) Stats() LabelStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
