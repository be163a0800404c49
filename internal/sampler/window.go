package sampler

import (
	"fmt"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// window is a stretch of time within one stratum. Its first reading is the last
// of the window before, if that was of the same stratum.
type window struct {
	stratum  int
	asked    asked
	readings []reading
}

// lasts reports whether the window has lasted for so long, or has so many
// readings after its first.
func (w *window) lasts(length time.Duration, readings int) bool {
	n := len(w.readings) - 1
	return n >= readings || n > 0 && w.readings[n].at.Sub(w.readings[0].at) >= length
}

// add adds a reading to the open window, or begins one.
func (s *Sampler) add(stratum int, asked asked, r reading) {
	if s.window != nil && s.window.stratum != stratum {
		s.abandon()
	}
	if s.window == nil {
		s.window = &window{stratum: stratum, asked: asked}
	}
	s.window.readings = append(s.window.readings, r)
}

// abandon drops the open window because the weight has changed.
func (s *Sampler) abandon() {
	if s.window != nil && len(s.window.readings) > 1 {
		for _, q := range s.window.asked.questions {
			s.dropped(q.gauge, WeightChanged, "")
		}
	}
	s.window = nil
}

// close ends the open window and begins the next one where it ends.
func (s *Sampler) close() {
	w := s.window
	last := w.readings[len(w.readings)-1]
	s.window = &window{stratum: w.stratum, asked: w.asked, readings: []reading{last}}
	for _, q := range w.asked.questions {
		s.settle(w, q, last.at)
	}
}

// settle takes the window of one gauge, or drops it.
func (s *Sampler) settle(w *window, q question, end time.Time) {
	var levels [split.Arms]float64
	for _, arm := range []split.Arm{split.Candidate, split.Baseline} {
		level, gap := s.gauges[q.gauge].query.Value(w.of(arm, q))
		if gap != nil {
			s.dropped(q.gauge, gap.Why, s.blame(w, arm, q, gap))
			return
		}
		levels[arm] = level
	}
	taken := s.o.Take(Window{
		Stratum: w.stratum, Gauge: s.gauges[q.gauge].name,
		Candidate: levels[split.Candidate], Baseline: levels[split.Baseline],
	})
	if !taken {
		s.dropped(q.gauge, NotKept, fmt.Sprintf("the levels %g of the candidate and %g of the baseline are not kept", levels[split.Candidate], levels[split.Baseline]))
		return
	}
	s.took(q.gauge, end)
}

// of are the readings of one arm for one question.
func (w *window) of(arm split.Arm, q question) []query.Reading {
	out := make([]query.Reading, len(w.readings))
	for i, r := range w.readings {
		out[i] = query.Reading{At: r.at, Pages: make([]query.Page, len(r.arms[arm]))}
		for j, a := range r.arms[arm] {
			if q.to <= len(a.page) {
				out[i].Pages[j] = a.page[q.from:q.to]
			}
		}
	}
	return out
}

// blame says which address is missing what.
func (s *Sampler) blame(w *window, arm split.Arm, q question, gap *query.Gap) string {
	if gap.Server >= len(s.arms[arm].servers) {
		return fmt.Sprintf("no address of the %s's metrics is known", arm)
	}
	name := s.gauges[q.gauge].query.Selectors()[gap.Term]
	what := string(gap.Why)
	switch gap.Why {
	case query.Unreachable:
		what = w.failure(arm, gap.Server)
	case query.NoSeries:
		what = fmt.Sprintf("it has no series %s", name)
	case query.CounterBack:
		what = fmt.Sprintf("its counter %s went back: the server started again, or another one answers there", name)
	case query.NotANumber:
		what = fmt.Sprintf("%s is not a number", name)
	case query.NotPositive:
		what = fmt.Sprintf("%s is not above zero", name)
	}
	return fmt.Sprintf("the %s's %s: %s", arm, s.arms[arm].servers[gap.Server], what)
}

// failure is the last reason why a server could not be read.
func (w *window) failure(arm split.Arm, server int) string {
	for _, r := range slices.Backward(w.readings) {
		if a := r.arms[arm]; server < len(a) && a[server].err != nil {
			return a[server].err.Error()
		}
	}
	return "it could not be read"
}
