package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	maxStreams = 64
	// heartbeat is how often a silent stream gives a sign of life.
	heartbeat = 15 * time.Second
	// statusEvery is the least time between two statuses that no decision asked for.
	statusEvery = time.Second
	// sendWithin is how long a reader may take for one event.
	sendWithin = 10 * time.Second
	// confirmWithin is how long a stream waits for the traffic of a rollout that
	// has ended to be confirmed.
	confirmWithin = 10 * time.Second
	logPage       = 200
)

// WatchEvents implements the contract. What can be refused is refused here; the
// stream itself is written by Visit.
func (s *server) WatchEvents(ctx context.Context, r api.WatchEventsRequestObject) (api.WatchEventsResponseObject, error) {
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, problem.New(problem.Unavailable, "%d streams are open, and no more are served; close one", maxStreams)
	}
	st := &stream{server: s, resume: r.Params.LastEventID}
	if r.Params.Rollout == "" {
		st.follow = &followAll{stream: st}
	} else {
		st.follow = &followOne{stream: st, name: r.Params.Rollout}
	}
	// Subscribed before anything is read, so that nothing falls in between.
	st.ctx, st.cancel = context.WithCancel(ctx)
	if err := st.follow.open(st.ctx); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// A follower decides what goes into a stream.
type follower interface {
	// open subscribes and reads where things stand.
	open(ctx context.Context) error
	// begin sends what comes before the first event.
	begin(ctx context.Context) error
	events() <-chan command.Event
	// take handles an event, tick the passing of statusEvery. They report true
	// when the stream is over.
	take(ctx context.Context, e command.Event) (over bool, err error)
	tick(ctx context.Context) (over bool, err error)
}

// stream is one stream of server-sent events.
type stream struct {
	server *server
	follow follower
	resume string

	ctx    context.Context //nolint:containedctx // Of the request, between the two halves of the generated handler.
	cancel context.CancelFunc
	out    http.ResponseWriter
	flush  *http.ResponseController
}

var _ api.WatchEventsResponseObject = (*stream)(nil)

func (st *stream) close() {
	st.cancel()
	<-st.server.streams
}

// VisitWatchEventsResponse writes the stream until it is over, the reader is
// gone or the server stops.
func (st *stream) VisitWatchEventsResponse(w http.ResponseWriter) error {
	defer st.close()
	st.out, st.flush = w, http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // Proxies must not collect events.
	w.WriteHeader(http.StatusOK)
	if err := st.run(); err != nil && st.ctx.Err() == nil {
		// The status line is out: the reader sees the end and comes back.
		st.server.log.DebugContext(st.ctx, "event stream ended", "error", err)
	}
	return nil
}

func (st *stream) run() error {
	if err := st.follow.begin(st.ctx); err != nil {
		return err
	}
	alive, every := time.NewTicker(heartbeat), time.NewTicker(statusEvery)
	defer alive.Stop()
	defer every.Stop()
	for {
		var over bool
		var err error
		select {
		case <-st.ctx.Done():
			return nil
		case e, open := <-st.follow.events():
			if !open {
				return nil
			}
			over, err = st.follow.take(st.ctx, e)
		case <-every.C:
			over, err = st.follow.tick(st.ctx)
		case <-alive.C:
			err = st.write([]byte(": alive\n\n"))
		}
		if over || err != nil {
			return err
		}
	}
}

// send writes one event.
func (st *stream) send(id string, e api.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", e.Type)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return st.write(b.Bytes())
}

func (st *stream) write(b []byte) error {
	_ = st.flush.SetWriteDeadline(time.Now().Add(sendWithin)) // Not every writer has one.
	if _, err := st.out.Write(b); err != nil {
		return fmt.Errorf("write to the reader of events: %w", err)
	}
	return st.flush.Flush()
}

// sendDecisions sends the log of a rollout from after a decision on, and
// returns the last that was sent. What a subscription was too slow for is in
// the log, so nothing is missed.
func (st *stream) sendDecisions(ctx context.Context, name string, after int64, id func(*store.Logged) string) (int64, error) {
	for {
		page, err := st.server.engine.Log(ctx, name, after, logPage)
		if err != nil {
			return after, err
		}
		for i := range page {
			e := api.Event{Type: api.EventTypeDecision, Rollout: name, Seq: page[i].Entry.Seq, Decision: contract.Head(&page[i])}
			if err := st.send(id(&page[i]), e); err != nil {
				return after, err
			}
			after = page[i].Entry.Seq
		}
		if len(page) < logPage {
			return after, nil
		}
	}
}
