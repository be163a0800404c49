package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"time"
)

// idle is how long a stream may be silent: the server sends a sign of life
// every 15 seconds.
const idle = 45 * time.Second

// WatchRequest says what to follow.
type WatchRequest struct {
	// Rollout is a rollout, or a model where only one is meant; empty follows the
	// decisions of all rollouts.
	Rollout string
	// FromStart begins with the first decision of the rollout, not with the next.
	FromStart bool
	// OnBreak, if given, is told when the stream broke and is being taken up
	// again.
	OnBreak func(error)
}

// Watch yields what happens, as it happens: for a single rollout first how it
// stands. It takes a broken stream up again by itself, without losing or
// repeating a decision. It ends without an error when the rollout has ended or
// ctx is done, and with one when the server refuses (no such rollout). A
// caller that may wait only so long for a server that is gone ends ctx.
func (c *Client) Watch(ctx context.Context, r WatchRequest) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &watch{client: c, request: r, seen: map[string]int64{}, yield: yield}
		for try := 1; ; try++ {
			err := w.stream(ctx)
			switch {
			case w.stopped, ctx.Err() != nil, err == nil && w.final:
				return
			case err != nil && !worthAnother(err) && !errors.Is(err, errSilent):
				yield(Event{}, err)
				return
			}
			if w.progress {
				try, w.progress = 1, false
			}
			if r.OnBreak != nil {
				r.OnBreak(broken(err))
			}
			if !sleep(ctx, c.pause(try, askedPause(err))) {
				return
			}
		}
	}
}

var (
	errSilent = errors.New("the stream fell silent")
	errClosed = errors.New("the server closed the stream")
)

func broken(err error) error {
	if err == nil {
		return errClosed
	}
	return err
}

// watch is the state of one Watch over its streams.
type watch struct {
	client  *Client
	request WatchRequest
	yield   func(Event, error) bool

	last     string           // the id to take up from
	seen     map[string]int64 // the last decision of each rollout
	final    bool             // the rollout has ended
	stopped  bool             // the caller wants no more
	progress bool             // something arrived since the last break
}

// stream reads one stream to its end.
func (w *watch) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := time.AfterFunc(idle, func() { cancel(errSilent) })
	defer alive.Stop()

	resp, err := w.client.send(ctx, w.call())
	if err != nil {
		return w.cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		return answerError(resp, body)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return fmt.Errorf("%s answered with %q where events were asked for; is it a Belay server?", w.client.Server(), kind)
	}
	read := newReader(resp.Body)
	for {
		m, err := read.next(func() { alive.Reset(idle) })
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return w.cause(ctx, &Unreachable{Server: w.client.Server(), Err: err})
		}
		if err := w.take(m); err != nil || w.stopped {
			return err
		}
	}
}

func (w *watch) call() *call {
	k := newCall(http.MethodGet, "events")
	if w.request.Rollout != "" {
		k.query.Set("rollout", w.request.Rollout)
	}
	switch {
	case w.last != "":
		k.header.Set("Last-Event-ID", w.last)
	case w.request.FromStart && w.request.Rollout != "":
		k.header.Set("Last-Event-ID", "0")
	}
	return k
}

// cause is why ctx was ended by ourselves, or err.
func (w *watch) cause(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// take hands one message on, unless the caller has seen it.
func (w *watch) take(m message) error {
	var e Event
	if err := json.Unmarshal(m.data, &e); err != nil {
		return fmt.Errorf("read an event of %s: %w", w.client.Server(), err)
	}
	w.progress = true
	if m.id != "" {
		w.last = m.id
	}
	switch {
	case e.Type == EventDecision && e.Seq <= w.seen[e.Rollout]:
		return nil
	case e.Type == EventDecision:
		w.seen[e.Rollout] = e.Seq
	case e.Type == EventStatus && e.Status != nil:
		w.final = Ended(e.Status)
	}
	w.stopped = !w.yield(e, nil)
	return nil
}
