package contest

import (
	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// Ending is how a rollout went.
type Ending string

// The endings.
const (
	Promoted   Ending = "promoted"
	RolledBack Ending = "rolledBack"
	// Held waits for a person, or was still on its way at the limit.
	Held Ending = "held"
)

// move is what a player makes of a minute.
type move struct {
	ending Ending // empty while the rollout goes on
	weight float64
	by     string // the gate or the metric that an ending was about
}

// player is a rule in a contest.
type player interface {
	start() float64
	// see takes a minute and says what follows.
	see(m *stream.Minute, w *rule.Window) move
}

// other is the rule of another tool.
type other struct {
	rule.Rule
	slices bool
}

func (o other) start() float64 { return o.Start() }

func (o other) see(_ *stream.Minute, w *rule.Window) move {
	act := o.Look(w)
	out := move{weight: act.Weight}
	switch act.State {
	case rule.Promoted:
		out.ending = Promoted
	case rule.RolledBack:
		out.ending = RolledBack
	case rule.Running:
		return out
	}
	if act.Metric != rule.None {
		out.by = act.Metric.String()
	}
	return out
}

// window is what other tools see of a minute.
func window(m *stream.Minute, s *stream.Stream, users, slices bool) *rule.Window {
	w := &rule.Window{Minute: m.Start + 1}
	for arm := range m.Arms {
		w.Arms[arm] = requestsOf(&m.Arms[arm])
		w.Arms[arm].P99 = m.P99(split.Arm(arm))
	}
	for i := range m.Reports {
		add(&w.Arms[m.Reports[i].Arm], &m.Reports[i])
	}
	if slices {
		served, reports := m.Slice()
		w.Slice = requestsOf(&served)
		for i := range reports {
			add(&w.Slice, &reports[i])
		}
	}
	if users {
		w.Units = units{s}
	}
	return w
}

func requestsOf(served *stream.Served) rule.Seen {
	var s rule.Seen
	s.Of[rule.Errors] = rule.Events(served.Errors, served.Requests)
	s.Of[rule.Latency] = rule.Events(served.Slow, served.Requests)
	return s
}

// outcomes are the metrics of the outcomes, in the order of the corpus.
var outcomes = []rule.Metric{rule.Conversion, rule.Revenue, rule.Quality}

// add adds reports to what an arm has shown.
func add(s *rule.Seen, r *stream.Reports) {
	m := &s.Of[outcomes[r.Outcome]]
	m.N += float64(r.Reported)
	if r.Worths == nil {
		m.Sum += float64(r.Success)
		m.Squares += float64(r.Success)
		return
	}
	for _, worth := range r.Worths {
		n := float64(worth.Count)
		m.Sum += n * worth.Value
		m.Squares += n * worth.Value * worth.Value
	}
}

// units tells other tools how much the users differ.
type units struct{ *stream.Stream }

// Between implements rule.Units.
func (u units) Between(arm int, m rule.Metric) float64 {
	at := stream.FirstOutcome
	switch m {
	case rule.Errors:
		at = stream.Failures
	case rule.Latency:
		at = stream.Slow
	default:
		for i, o := range outcomes {
			if o == m {
				at += i
			}
		}
	}
	return u.Stream.Between(split.Arm(arm), at)
}
