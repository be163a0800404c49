package check_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// How often a check is wrong is counted, through the whole of it: files are
// written, read and judged.

var reps = flag.Int("check.reps", 0, "replications of each simulation; 0 takes a number that suits a quick test")

func repetitions() int {
	switch {
	case *reps > 0:
		return *reps
	case testing.Short():
		return 40
	}
	return 120
}

// simulated is one kind of files.
type simulated struct {
	gates []string
	// header and row write the two files; a row is written for i = 0, 1, 2 … of
	// each arm. Rows of both arms with one i share a source of chance, by which
	// they may resemble each other.
	header    string
	baseline  int
	candidate int
	row       func(w io.Writer, i int, candidate bool, c chance)
	options   func(*check.Options)
}

// chance is what a row is drawn from.
type chance struct {
	own *rand.Rand // of the arm
	// shared is that of row i of both arms.
	shared *rand.Rand
	// users has what each user has of his own; they are drawn anew for each file.
	users []float64
}

// users is how many users an arm has.
const users = 120

// files writes the files of one replication.
func (s *simulated) files(seed uint64) (baseline, candidate string) {
	var out [2]strings.Builder
	for arm, n := range []int{s.baseline, s.candidate} {
		fmt.Fprintln(&out[arm], s.header)
		c := chance{own: rand.New(rand.NewPCG(seed, uint64(arm+1))), users: make([]float64, users)}
		for i := range c.users {
			c.users[i] = c.own.NormFloat64()
		}
		for i := range n {
			c.shared = rand.New(rand.NewPCG(seed, uint64(1000+i)))
			s.row(&out[arm], i, arm == 1, c)
		}
	}
	return out[0].String(), out[1].String()
}

// play counts the verdicts of all replications, by gate, and the replications in
// which any gate fails.
func (s *simulated) play(t *testing.T) (verdicts map[string]map[gate.Verdict]float64, anyFails float64) {
	t.Helper()
	p, err := plan.Choose(spec.File{}, plan.Choice{Gates: s.gates})
	if err != nil {
		t.Fatal(err)
	}
	verdicts = map[string]map[gate.Verdict]float64{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := repetitions()
	for worker := range 2 {
		wg.Go(func() {
			for rep := worker; rep < n; rep += 2 {
				b, c := s.files(uint64(rep + 1))
				o := check.Options{
					Plan: p, MaxBad: check.DefaultMaxBad,
					Options: sample.Options{Baseline: text("b", b), Candidate: text("c", c), MaxIDs: sample.DefaultMaxIDs, Tolerance: sample.DefaultTolerance},
				}
				if s.options != nil {
					s.options(&o)
				}
				r, err := check.Run(context.Background(), o)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, g := range r.Gates {
					if verdicts[g.Gate] == nil {
						verdicts[g.Gate] = map[gate.Verdict]float64{}
					}
					verdicts[g.Gate][g.Verdict] += 1 / float64(n)
				}
				if r.Verdict == gate.Fail {
					anyFails += 1 / float64(n)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return verdicts, anyFails
}

func bit(r *rand.Rand, p float64) int {
	if r.Float64() < p {
		return 1
	}
	return 0
}

// when returns a for the candidate and b for the baseline.
func when[T any](candidate bool, a, b T) T {
	if candidate {
		return a
	}
	return b
}

const alpha = 0.05

// At the margin, harm is not beyond it, and not within it either: each gate is
// wrong with whatever it decides, and may be so in one of twenty samples at most.
func TestAtTheMarginNoVerdictIsWrongTooOften(t *testing.T) {
	t.Parallel()
	status := func(pC, pT float64) func(io.Writer, int, bool, chance) {
		return func(w io.Writer, _ int, candidate bool, c chance) {
			fmt.Fprintln(w, 200+300*bit(c.own, when(candidate, pT, pC)))
		}
	}
	for name, s := range map[string]*simulated{
		"a ratio": {gates: []string{"error_rate maxIncrease 50%"}, header: "status", baseline: 1500, candidate: 700, row: status(.06, .09)},
		"a ratio with a level": {
			gates: []string{"error_rate maxIncrease 50% ignoreBelow 4%"}, header: "status", baseline: 900, candidate: 900, row: status(.01, .04),
		},
		"a difference":           {gates: []string{"error_rate maxIncrease 2pp"}, header: "status", baseline: 900, candidate: 500, row: status(.02, .04)},
		"a ceiling":              {gates: []string{"error_rate max 5%"}, header: "status", baseline: 100, candidate: 700, row: status(.05, .05)},
		"a difference, anytime":  {gates: []string{"error_rate maxIncrease 2pp"}, header: "status", baseline: 900, candidate: 500, row: status(.02, .04), options: func(o *check.Options) { o.Anytime = true }},
		"a success that may sag": {gates: []string{"outcome:ok maxDecrease 5%"}, header: "ok", baseline: 600, candidate: 600, row: outcome(.9, .9*.95)},
		"a rare success":         {gates: []string{"outcome:ok maxDecrease 20% expect 10%"}, header: "ok", baseline: 1200, candidate: 1200, row: outcome(.1, .08)},
		"right answers to the same questions": {
			gates: []string{"accuracy maxDecrease 4pp"}, header: "id,correct", baseline: 500, candidate: 500,
			row: func(w io.Writer, i int, candidate bool, c chance) {
				// Seven in ten questions are answered alike.
				p := when(candidate, .86, .90)
				if c.shared.Float64() < .7 {
					c.own = c.shared
				}
				fmt.Fprintf(w, "%d,%d\n", i, bit(c.own, p))
			},
		},
		"a share of right answers to the same questions": {
			gates: []string{"accuracy maxDecrease 5%"}, header: "id,correct", baseline: 500, candidate: 500,
			row: func(w io.Writer, i int, candidate bool, c chance) {
				if c.shared.Float64() < .7 {
					c.own = c.shared
				}
				fmt.Fprintf(w, "%d,%d\n", i, bit(c.own, when(candidate, .8*.95, .8)))
			},
		},
		"answers that agree": {
			gates: []string{"agreement min 95%"}, header: "id,output", baseline: 600, candidate: 600,
			row: func(w io.Writer, i int, candidate bool, c chance) {
				fmt.Fprintf(w, "%d,%s\n", i, when(candidate && bit(c.own, .05) == 1, "other", "same"))
			},
		},
		"a quantile of few":        {gates: []string{"latency_p90 maxIncrease 10%"}, header: "latency_ms", baseline: 300, candidate: 200, row: lognormal(1.1, 1)},
		"a quantile far out":       {gates: []string{"latency_p99 maxIncrease 10%"}, header: "latency_ms", baseline: 1000, candidate: 500, row: lognormal(1.1, 1)},
		"a quantile within strata": {gates: []string{"latency_p90 maxIncrease 10%"}, header: "latency_ms,stage", baseline: 800, candidate: 600, row: lognormal(1.1, 4)},
		"a median, anytime":        {gates: []string{"latency_p50 maxIncrease 10%"}, header: "latency_ms", baseline: 300, candidate: 300, row: lognormal(1.1, 1), options: func(o *check.Options) { o.Anytime = true }},
		// A cap that the baseline settled would cut more of the baseline's than of the
		// candidate's, and so move the margin.
		"a mean": {
			gates: []string{"outcome:value kind mean maxDecrease 5% cap 1000"}, header: "value", baseline: 600, candidate: 400,
			row: func(w io.Writer, _ int, candidate bool, c chance) {
				fmt.Fprintln(w, when(candidate, .95, 1)*math.Exp(.5*c.own.NormFloat64()))
			},
		},
		"a mean over the same rows": {
			gates: []string{"outcome:value kind mean maxDecrease 5% cap 1000"}, header: "id,value", baseline: 300, candidate: 300,
			row: func(w io.Writer, i int, candidate bool, c chance) {
				fmt.Fprintf(w, "%d,%v\n", i, when(candidate, .95, 1)*math.Exp(.6*c.shared.NormFloat64()+.1*c.own.NormFloat64()))
			},
		},
		"users who differ": {
			gates: []string{"error_rate maxIncrease 2pp"}, header: "user,status", baseline: 1500, candidate: 1500,
			row: func(w io.Writer, _ int, candidate bool, c chance) {
				// One user in nine has most of the errors.
				user := c.own.IntN(users)
				fmt.Fprintf(w, "%v%d,%d\n", candidate, user, 200+300*bit(c.own, when(c.users[user] < -1.2, .3, .02)+when(candidate, .02, 0)))
			},
		},
		"waits of users who differ": {
			gates: []string{"latency_p90 maxIncrease 10%"}, header: "user,latency_ms", baseline: 1500, candidate: 1500,
			row: func(w io.Writer, _ int, candidate bool, c chance) {
				user := c.own.IntN(users)
				fmt.Fprintf(w, "%v%d,%v\n", candidate, user, 20*when(candidate, 1.1, 1)*math.Exp(.5*c.users[user]+.3*c.own.NormFloat64()))
			},
		},
		"sums of users who differ": {
			gates: []string{"outcome:value kind mean maxDecrease 5% cap 1000"}, header: "user,value", baseline: 1500, candidate: 1500,
			row: func(w io.Writer, _ int, candidate bool, c chance) {
				user := c.own.IntN(users)
				fmt.Fprintf(w, "%v%d,%v\n", candidate, user, when(candidate, .95, 1)*math.Exp(.3*c.users[user]+.3*c.own.NormFloat64()))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdicts, _ := s.play(t)
			n := float64(repetitions())
			limit := alpha + 3*math.Sqrt(alpha*(1-alpha)/n)
			for g, shares := range verdicts {
				t.Logf("%s: %s: fail %.1f %%, pass %.1f %%", name, g, 100*shares[gate.Fail], 100*shares[gate.Pass])
				if shares[gate.Fail] > limit || shares[gate.Pass] > limit {
					t.Errorf("%s: wrong in %.1f %% (fail) and %.1f %% (pass) of %v samples", g, 100*shares[gate.Fail], 100*shares[gate.Pass], n)
				}
				if shares[gate.NoData] > 0 {
					t.Errorf("%s: no data", g)
				}
			}
		})
	}
}

func outcome(pC, pT float64) func(io.Writer, int, bool, chance) {
	return func(w io.Writer, _ int, candidate bool, c chance) {
		fmt.Fprintln(w, bit(c.own, when(candidate, pT, pC)))
	}
}

// lognormal writes durations; those of each stage are longer than those of the one
// before, and the candidate has more rows in the later ones.
func lognormal(slower float64, stages int) func(io.Writer, int, bool, chance) {
	return func(w io.Writer, _ int, candidate bool, c chance) {
		stage := c.own.IntN(stages)
		if candidate && stage < stages-1 && c.own.Float64() < .4 {
			stage = stages - 1
		}
		fmt.Fprint(w, 20*(1+float64(stage))*when(candidate, slower, 1)*math.Exp(.5*c.own.NormFloat64()))
		if stages > 1 {
			fmt.Fprintf(w, ",%d", stage)
		}
		fmt.Fprintln(w)
	}
}

// With all gates of a policy at their margins, any fail is false.
func TestAllGatesTogetherFailNotTooOften(t *testing.T) {
	t.Parallel()
	s := &simulated{
		gates:  []string{"error_rate maxIncrease 2pp", "latency_p90 maxIncrease 10%", "outcome:ok maxDecrease 3pp", "client_error_rate maxIncrease 50%"},
		header: "status,latency_ms,ok", baseline: 700, candidate: 700,
		row: func(w io.Writer, _ int, candidate bool, c chance) {
			status := 200
			if c.own.Float64() < when(candidate, .04, .02) {
				status = 500
			} else if c.own.Float64() < when(candidate, .06, .04) {
				status = 400
			}
			fmt.Fprintf(w, "%d,%v,%d\n", status, 20*when(candidate, 1.1, 1)*math.Exp(.5*c.own.NormFloat64()), bit(c.own, when(candidate, .87, .9)))
		},
	}
	verdicts, fails := s.play(t)
	n := float64(repetitions())
	t.Logf("any of them fails in %.1f %%", 100*fails)
	if limit := alpha + 3*math.Sqrt(alpha*(1-alpha)/n); fails > limit {
		t.Errorf("a gate fails in %.1f %% of %v samples; by gate %v", 100*fails, n, verdicts)
	}
}

// A harm in no segment is found in none of them, however many there are.
func TestSegmentsTogetherFailNotTooOften(t *testing.T) {
	t.Parallel()
	s := &simulated{
		gates: []string{"error_rate maxIncrease 2pp"}, header: "status,country", baseline: 2000, candidate: 2000,
		row: func(w io.Writer, i int, candidate bool, c chance) {
			fmt.Fprintf(w, "%d,c%d\n", 200+300*bit(c.own, when(candidate, .04, .02)), i%20)
		},
		options: func(o *check.Options) { o.By, o.Plan.Guarded = []string{"country"}, true },
	}
	_, fails := s.play(t)
	n := float64(repetitions())
	t.Logf("fails in %.1f %%", 100*fails)
	if limit := alpha + 3*math.Sqrt(alpha*(1-alpha)/n); fails > limit {
		t.Errorf("fails in %.1f %% of %v samples", 100*fails, n)
	}
}

// A test that never decides keeps its level, too. So it must find what is there.
func TestWhatIsBeyondTheMarginIsFoundAndWhatIsWithinIsProven(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		simulated
		want  gate.Verdict
		least float64
	}{
		"errors x3": {simulated{gates: []string{"error_rate maxIncrease 50%"}, header: "status", baseline: 1000, candidate: 1000, row: func(w io.Writer, _ int, candidate bool, c chance) {
			fmt.Fprintln(w, 200+300*bit(c.own, when(candidate, .09, .03)))
		}}, gate.Fail, .95},
		"a tail that is twice as long": {simulated{gates: []string{"latency_p90 maxIncrease 10%"}, header: "latency_ms", baseline: 300, candidate: 300, row: lognormal(2, 1)}, gate.Fail, .95},
		"the same latencies":           {simulated{gates: []string{"latency_p90 maxIncrease 20%"}, header: "latency_ms", baseline: 1500, candidate: 1500, row: lognormal(1, 1)}, gate.Pass, .9},
		"the same errors":              {simulated{gates: []string{"error_rate maxIncrease 2pp"}, header: "status", baseline: 900, candidate: 900, row: func(w io.Writer, _ int, _ bool, c chance) { fmt.Fprintln(w, 200+300*bit(c.own, .02)) }}, gate.Pass, .85},
		"pairs see what arms cannot": {simulated{gates: []string{"accuracy maxDecrease 3pp"}, header: "id,correct", baseline: 400, candidate: 400, row: func(w io.Writer, i int, _ bool, c chance) {
			if c.shared.Float64() < .95 {
				c.own = c.shared
			}
			fmt.Fprintf(w, "%d,%d\n", i, bit(c.own, .7))
		}}, gate.Pass, .7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdicts, _ := tt.play(t)
			for g, shares := range verdicts {
				t.Logf("%s: %v", g, shares)
				if shares[tt.want] < tt.least {
					t.Errorf("%s is %s in %.0f %% only: %v", g, tt.want, 100*shares[tt.want], shares)
				}
			}
		})
	}
}

func text(name, s string) *sample.Source {
	return &sample.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }}
}
