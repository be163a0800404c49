package command

import (
	"context"
	"slices"
	"sync"

	"github.com/belay-rollouts/belay/internal/controller"
)

// Bounds of the queues of events: per subscriber, and on the way to it.
const (
	queueRoom   = 64
	channelRoom = 16
)

// Hub hands changes on to whoever has subscribed. Telling it never blocks: each
// subscriber has a bounded queue, and one that is too slow is told how many
// events it has missed.
type Hub struct {
	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
}

// NewHub returns a Hub without subscribers.
func NewHub() *Hub { return &Hub{subscribers: map[*subscriber]struct{}{}} }

// subscriber is one reader of events.
type subscriber struct {
	rollout string // empty for all
	wake    chan struct{}

	mu     sync.Mutex
	queue  []controller.Change
	missed int
}

// Changed takes a change. It is the controller's Options.Changed.
func (h *Hub) Changed(c controller.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subscribers {
		if s.rollout == "" || s.rollout == c.Rollout {
			s.push(c)
		}
	}
}

// push queues a change. A status takes the place of an earlier one that is not
// read yet, and gives way to decisions; only decisions can be missed.
func (s *subscriber) push(c controller.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Decided {
		i := slices.IndexFunc(s.queue, func(q controller.Change) bool { return !q.Decided && q.ID == c.ID })
		if i >= 0 {
			s.queue[i] = c
			return
		}
	}
	if len(s.queue) >= queueRoom && !s.makeRoom(c) {
		return
	}
	s.queue = append(s.queue, c)
	select {
	case s.wake <- struct{}{}:
	default: // It is awake already.
	}
}

// makeRoom drops a status for a decision. Without one to drop, the change is
// missed, which matters for decisions alone.
func (s *subscriber) makeRoom(c controller.Change) bool {
	if !c.Decided {
		return false
	}
	i := slices.IndexFunc(s.queue, func(q controller.Change) bool { return !q.Decided })
	if i < 0 {
		s.missed++
		return false
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	return true
}

// pop returns the next change and how many were missed before it.
func (s *subscriber) pop() (c controller.Change, missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return c, 0, false
	}
	c, s.queue = s.queue[0], s.queue[1:]
	missed, s.missed = s.missed, 0
	return c, missed, true
}

func (h *Hub) add(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[s] = struct{}{}
}

func (h *Hub) remove(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscribers, s)
}

// Subscribe returns the changes of a rollout, by its name, or of all with an
// empty one. Events of type decision come for each stored decision, those of
// type status at most once a tick; their Status is as of now, without bounds.
// A reader that is too slow misses some and is told how many. The channel is
// closed when ctx ends.
func (s *Service) Subscribe(ctx context.Context, name string) <-chan Event {
	sub := &subscriber{rollout: name, wake: make(chan struct{}, 1)}
	out := make(chan Event, channelRoom)
	s.hub.add(sub)
	go func() { // It ends with ctx, which its owner waits for by reading the channel.
		defer close(out)
		defer s.hub.remove(sub)
		for {
			select {
			case <-ctx.Done():
				return
			case <-sub.wake:
			}
			if !s.forward(ctx, sub, out) {
				return
			}
		}
	}()
	return out
}

// forward sends what is queued. It reports false when ctx has ended.
func (s *Service) forward(ctx context.Context, sub *subscriber, out chan<- Event) bool {
	for {
		c, missed, ok := sub.pop()
		if !ok {
			return true
		}
		e := Event{Type: EventStatus, Seq: c.Seq, Rollout: c.Rollout, Missed: missed}
		if c.Decided {
			e.Type = EventDecision
		}
		status, err := s.glance(ctx, c)
		if err != nil {
			e.Status.Trouble = err.Error()
		} else {
			e.Status = status
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return false
		}
	}
}
