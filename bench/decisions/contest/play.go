package contest

import (
	"slices"

	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

// BelayName is Belay's name among the rules.
const BelayName = "Belay"

// Play is what became of one rollout.
type Play struct {
	Ending Ending
	By     string
	Minute int     // of the ending
	Weight float64 // the largest that the candidate had
	Whole  bool    // it had all of the traffic, but for what is held back
	// Onset is the first minute with harm; -1 without any.
	Onset int
	// Harmed are requests that went worse than at the baseline, until the ending
	// and, of what was promoted, in the day after it; Failed are those of them that
	// failed, beyond the baseline's failures.
	Harmed float64
	Failed float64
	// Users and FailedUsers are who had such a request, where there are users.
	Users       float64
	FailedUsers float64
	Exposed     float64 // requests of the candidate until the ending
}

// bench is a case at a rate, ready to be played.
type bench struct {
	corpus.Case
	plan    rollout.Plan
	model   *stream.Model
	config  rule.Config
	harmful bool
}

func newBench(c corpus.Case) (*bench, error) {
	plan, err := c.Plan()
	if err != nil {
		return nil, err
	}
	m, err := stream.NewModel(c.Scenario, plan.Layout.Sketches[0])
	if err != nil {
		return nil, err
	}
	b := &bench{Case: c, plan: plan, model: m, config: c.Config(m)}
	b.harmful = c.Class != corpus.NoChange
	return b, nil
}

// seat is a player at its place.
type seat struct {
	name   string
	player player
	slices bool
	weight float64
}

// group are those who have asked for the same weights so far.
type group struct {
	stream  *stream.Stream
	victims *stream.Victims
	seats   []*seat
	weight  float64
	tally   Play
}

func (g *group) fork() *group {
	return &group{stream: g.stream.Fork(), victims: g.victims.Fork(), tally: g.tally}
}

// rules are the names of all who play, Belay first.
func rules() []string {
	out := []string{BelayName}
	for _, kind := range rule.Kinds() {
		out = append(out, kind.Name)
	}
	return out
}

// play plays Belay and, if asked, all others in the world of a seed.
func (b *bench) play(seed uint64, others bool) map[string]Play {
	w := b.model.NewWorld(seed)
	first := &group{stream: w.NewStream(), victims: w.NewVictims(), tally: Play{Onset: -1}}
	first.seats = append(first.seats, &seat{name: BelayName, player: newBelay(&b.plan)})
	if others {
		for _, kind := range rule.Kinds() {
			first.seats = append(first.seats, &seat{name: kind.Name, slices: kind.Slices, player: other{kind.New(b.config), kind.Slices}})
		}
	}
	for _, s := range first.seats {
		s.weight = s.player.start()
	}
	out := map[string]Play{}
	groups := part(first)
	for minute := 0; len(groups) > 0; minute++ {
		var next []*group
		for _, g := range groups {
			b.step(g, minute, w, out)
			next = append(next, part(g)...)
		}
		groups = next
	}
	return out
}

// part splits a group by the weights that its seats ask for next.
func part(g *group) []*group {
	if len(g.seats) == 0 {
		return nil
	}
	out := []*group{g}
	seats := g.seats
	g.seats, g.weight = nil, seats[0].weight
	for _, s := range seats {
		i := slices.IndexFunc(out, func(o *group) bool { return o.weight == s.weight })
		if i < 0 {
			fork := g.fork()
			fork.weight = s.weight
			out, i = append(out, fork), len(out)
		}
		out[i].seats = append(out[i].seats, s)
	}
	return out
}

// step plays a minute. Those whose rollout is over leave the group.
func (b *bench) step(g *group, minute int, w *stream.World, out map[string]Play) {
	m := g.stream.Next(g.weight)
	g.note(m, &b.plan)
	g.victims.Add(m)
	var seen *rule.Window
	if slices.ContainsFunc(g.seats, func(s *seat) bool { return s.name != BelayName }) {
		sliced := slices.ContainsFunc(g.seats, func(s *seat) bool { return s.slices })
		seen = window(m, g.stream, b.Sticky(), sliced)
	}
	g.seats = slices.DeleteFunc(g.seats, func(s *seat) bool {
		next := s.player.see(m, seen)
		s.weight = next.weight
		if next.ending == "" && minute+1 < b.longest(s) {
			return false
		}
		out[s.name] = b.end(g, w, next, minute+1)
		return true
	})
}

// note counts a minute.
func (g *group) note(m *stream.Minute, p *rollout.Plan) {
	t := &g.tally
	if t.Onset < 0 && m.Harm.All() > 0 {
		t.Onset = m.Start
	}
	t.Harmed += m.Harm.All()
	t.Failed += m.Harm.Failed
	t.Exposed += float64(m.Arms[1].Requests)
	t.Weight = max(t.Weight, m.Weight)
	t.Whole = t.Whole || atWhole(m.Weight, p)
}

// day is how many minutes a bad version serves after it was promoted.
const day = 24 * 60

// end finishes a play.
func (b *bench) end(g *group, w *stream.World, last move, minute int) Play {
	p := g.tally
	p.Ending, p.By, p.Minute = last.ending, last.by, minute
	if p.Ending == "" {
		p.Ending = Held
	}
	victims := g.victims
	if p.Ending == Promoted {
		p.Whole, p.Weight = true, 1
		if b.harmful {
			victims = victims.Fork()
			for i := range day {
				harm := w.HarmAt(minute+i, 1)
				p.Harmed += harm.All()
				p.Failed += harm.Failed
				victims.AddAt(minute+i, 1)
			}
		}
	}
	if b.harmful {
		p.Users, p.FailedUsers = victims.Expected()
	}
	return p
}

// longest is how many minutes a seat is followed.
func (b *bench) longest(s *seat) int {
	if s.name == BelayName {
		return longest(&b.plan)
	}
	return 4 * day // All others end by themselves.
}
