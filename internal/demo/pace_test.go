package demo

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/loadgen"
)

// observed is a pace of ten seconds at 100 requests a second, with latencies of v1 as a function of their number.
func observed(latency func(i int) time.Duration) *pace {
	p := &pace{}
	p.start(loadgen.Stats{})
	for i := range 1000 {
		p.observe(loadgen.Answer{Arm: "baseline", Latency: latency(i)})
	}
	time.Sleep(10 * time.Second)
	return p
}

func quick(int) time.Duration { return 8500 * time.Microsecond }

func TestAMachineThatDoesNotKeepUpIsToldSo(t *testing.T) {
	t.Parallel()
	full := loadgen.Stats{Due: 1000, Ended: 1000}
	tail := func(share int, slow time.Duration) func(int) time.Duration {
		return func(i int) time.Duration {
			if i < share {
				return slow
			}
			return quick(i)
		}
	}
	cases := map[string]struct {
		latency func(int) time.Duration
		stats   loadgen.Stats
		want    []string
	}{
		"nothing when it keeps up":           {quick, full, nil},
		"one slow answer in two hundred":     {tail(5, time.Second), full, nil},
		"one slow answer in fifty":           {tail(20, 77*time.Millisecond), full, []string{"takes 78 ms or more"}},
		"answers beyond the histogram":       {tail(20, time.Minute), full, []string{"takes 512 ms or more"}},
		"a few requests that had to wait":    {quick, loadgen.Stats{Due: 1000, Ended: 1000, Waited: 10}, nil},
		"many requests that had to wait":     {quick, loadgen.Stats{Due: 1000, Ended: 1000, Waited: 11, Dropped: 1}, []string{"of 1,000 that were due, 11 had to wait, and 1 were never sent. A slow version may not stand out; stop what else is running, or try --rate 50"}},
		"requests that were never even due":  {quick, loadgen.Stats{Due: 850, Ended: 850}, []string{"sends 85 of 100 requests a second"}},
		"a machine that is altogether unfit": {tail(20, 99*time.Millisecond), loadgen.Stats{Due: 1000, Ended: 900, Waited: 500}, []string{"500 had to wait", "100 ms or more"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := observed(c.latency).complaints(100, c.stats)
				if len(got) != len(c.want) {
					t.Fatalf("got %q, want %d complaints", got, len(c.want))
				}
				for i := range got {
					if !strings.Contains(got[i], c.want[i]) {
						t.Errorf("%q does not say %q", got[i], c.want[i])
					}
				}
			})
		})
	}
}

func TestOnlyAnswersOfTheBaselineTellOfTheMachine(t *testing.T) {
	t.Parallel()
	p := &pace{}
	p.start(loadgen.Stats{})
	for range fewAnswers {
		p.observe(loadgen.Answer{Arm: "candidate", Latency: time.Second})
		p.observe(loadgen.Answer{Arm: "baseline", Latency: time.Second, Shielded: true})
		p.observe(loadgen.Answer{Arm: "baseline", Latency: time.Second, Err: errors.New("cut off")})
	}
	if _, of := p.p99(); of != 0 {
		t.Errorf("%d answers count, want none", of)
	}
	for range fewAnswers - 1 {
		p.observe(loadgen.Answer{Latency: time.Second}) // Without a rollout there is no arm, and v1 answers.
	}
	if got := p.complaints(0, loadgen.Stats{}); len(got) != 0 {
		t.Errorf("too few answers lead to %q", got)
	}
	p.observe(loadgen.Answer{Latency: time.Second})
	if got := p.complaints(0, loadgen.Stats{}); len(got) != 1 {
		t.Errorf("enough answers lead to %q", got)
	}
	if got := p.complaints(0, loadgen.Stats{}); len(got) != 1 || strings.Contains(got[0], "--rate") {
		t.Errorf("the advice is given again: %q", got)
	}
	p.start(loadgen.Stats{})
	if _, of := p.p99(); of != 0 {
		t.Errorf("%d answers are left after a new start", of)
	}
}
