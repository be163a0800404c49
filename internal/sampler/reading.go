package sampler

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// asked is what the servers are asked at a stage.
type asked struct {
	selectors []query.Selector
	questions []question
}

// question is one gauge, with the place of its selectors.
type question struct {
	gauge    int
	from, to int
}

// asks returns what is to be asked at a place; nothing where nothing is compared
// or no gate wants it yet.
func (s *Sampler) asks(at Place) asked {
	var out asked
	if at.Stratum == Nothing {
		return out
	}
	for i, g := range s.gauges {
		if at.Stage < g.from {
			continue
		}
		from := len(out.selectors)
		out.selectors = append(out.selectors, g.query.Selectors()...)
		out.questions = append(out.questions, question{gauge: i, from: from, to: len(out.selectors)})
	}
	return out
}

// reading is what the servers of both arms said at one moment.
type reading struct {
	at   time.Time
	arms [split.Arms][]answer // by server
}

// answer is what one server said: its page, or why there is none.
type answer struct {
	page query.Page
	err  error
}

// read asks all servers of both arms at the same time. It returns when each of
// them has answered or has used up its time.
func (s *Sampler) read(ctx context.Context, want []query.Selector) reading {
	out := reading{at: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, a := range s.arms {
		out.arms[i] = make([]answer, len(a.servers))
		for j, server := range a.servers {
			wg.Go(func() { out.arms[i][j] = s.ask(ctx, server, want) })
		}
	}
	wg.Wait()
	return out
}

// ask reads one server. A source that panics costs one reading.
func (s *Sampler) ask(ctx context.Context, server string, want []query.Selector) (out answer) {
	defer func() {
		if r := recover(); r != nil {
			out = answer{err: fmt.Errorf("reading it failed: %v", r)}
			s.o.Log.ErrorContext(ctx, "reading a server failed", "address", server, "panic", r)
		}
	}()
	page, err := s.o.Source.Read(ctx, server, want)
	if err != nil {
		return answer{err: err}
	}
	return answer{page: page}
}
