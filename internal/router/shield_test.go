package router

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/cutoff"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// The ways in which a candidate fails before the first byte, and what is
// counted for each.
var beforeTheFirstByte = map[string]struct {
	fail    func(c *fakemodel.Server)
	latency bool // the failure's time is evidence
}{
	"refuses":                   {func(c *fakemodel.Server) { _ = c.Refuse() }, false},
	"resets":                    {func(c *fakemodel.Server) { c.SetResetting(true) }, false},
	"hangs":                     {func(c *fakemodel.Server) { c.SetHanging(true) }, true},
	"answers 500":               {func(c *fakemodel.Server) { c.SetErrors(1, 500) }, true},
	"answers 503":               {func(c *fakemodel.Server) { c.SetErrors(1, 503) }, true},
	"answers 429":               {func(c *fakemodel.Server) { c.SetErrors(1, 429) }, true},
	"speaks no HTTP":            {func(c *fakemodel.Server) { c.SetBroken(fakemodel.Garbage) }, false},
	"answers text":              {func(c *fakemodel.Server) { c.SetBroken(fakemodel.NotJSON) }, true},
	"answers without outputs":   {func(c *fakemodel.Server) { c.SetBroken(fakemodel.NoOutputs) }, true},
	"breaks off a small answer": {func(c *fakemodel.Server) { c.SetBroken(fakemodel.CutBody) }, false},
}

func TestNoCallerNoticesACandidateThatFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for name, tt := range beforeTheFirstByte {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, impatient())
			w.swap(t, 5000, plan{})
			tt.fail(w.candidate)
			const callers, each = 8, 25
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						a, err := w.try(fmt.Sprintf("u%d-%d", c, i), inferBody)
						if err != nil || a.status != http.StatusOK || !strings.Contains(a.body, `"v1"`) {
							t.Errorf("caller %d, request %d: status %d, %v: %s", c, i, a.status, err, a.body)
						}
					}
				})
			}
			wg.Wait()
			if s := w.state(t); s.Rescued == 0 {
				t.Error("nothing was rescued")
			}
		})
	}
}

func TestARescueCountsAgainstTheCandidateAndInNoOtherArm(t *testing.T) {
	t.Parallel()
	for name, tt := range beforeTheFirstByte {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, impatient())
			w.swap(t, split.Whole, plan{})
			tt.fail(w.candidate)
			a := w.infer(t, "u1")
			if a.status != http.StatusOK || a.arm() != "candidate" || a.header.Get(shieldedField) != "true" {
				t.Errorf("status %d, arm %s, shielded %q", a.status, a.arm(), a.header.Get(shieldedField))
			}
			s := w.collected(t, sticky, 1)
			c, b := s.side(0, split.Candidate), s.side(0, split.Baseline)
			if c.Requests != 1 || c.Shielded != 1 || c.Rates[0].K != 1 || c.Rates[1].K != 0 || b.Requests != 0 {
				t.Errorf("candidate %d requests, %d shielded, %d errors, %d client errors; baseline %d", c.Requests, c.Shielded, c.Rates[0].K, c.Rates[1].K, b.Requests)
			}
			if got := c.Latency[0].Total() == 1; got != tt.latency {
				t.Errorf("latency counted %v, want %v", got, tt.latency)
			}
			if st := w.state(t); st.Rescued != 1 || st.InFlight != 0 || st.Started.IsZero() || st.Finished.Before(st.Started) {
				t.Errorf("state %+v", st)
			}
		})
	}
}

// The candidate's time is its own: what the rescue takes is nobody's.
func TestTheTimeOfARescueIsNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	w.candidate.SetErrors(1, 500)
	w.baseline.SetLatency(400 * time.Millisecond)
	w.infer(t, "u1")
	s := w.collected(t, sticky, 1)
	base := layoutOf(sticky).Sketches[0]
	c := s.side(0, split.Candidate)
	if slow := c.Latency[0].Above(base.Index(300 * time.Millisecond)); slow != 0 {
		t.Error("the rescue's 400 ms count as the candidate's")
	}
}

func TestATimeOutCountsAtItsElapsedTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	w.swap(t, split.Whole, plan{})
	w.candidate.SetHanging(true)
	w.infer(t, "u1")
	s := w.collected(t, sticky, 1)
	base := layoutOf(sticky).Sketches[0]
	c := s.side(0, split.Candidate)
	if at := c.Latency[0].Above(base.Index(990 * time.Millisecond)); at != 1 {
		t.Error("a time-out of a second counts as something shorter")
	}
}

func TestOtherAnswersAreNotRescued(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 422} {
		w := newWorld(t, Limits{})
		w.swap(t, split.Whole, plan{})
		w.candidate.SetErrors(1, status)
		a := w.infer(t, "u1")
		if a.status != status || a.header.Get(shieldedField) != "" || w.baseline.Started() != 0 {
			t.Errorf("%d: status %d, shielded %q, %d at the baseline", status, a.status, a.header.Get(shieldedField), w.baseline.Started())
		}
		c := w.collected(t, sticky, 1).side(0, split.Candidate)
		if c.Rates[0].K != 0 || c.Rates[1].K != 1 || c.Shielded != 0 {
			t.Errorf("%d: %d errors, %d client errors, %d shielded", status, c.Rates[0].K, c.Rates[1].K, c.Shielded)
		}
	}
}

func TestWithoutAShieldTheCallerSeesTheFailure(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fail func(c *fakemodel.Server)
		want int
	}{
		"an error is passed on":      {func(c *fakemodel.Server) { c.SetErrors(1, 503) }, 503},
		"nobody listens":             {func(c *fakemodel.Server) { _ = c.Refuse() }, 502},
		"the connection is reset":    {func(c *fakemodel.Server) { c.SetResetting(true) }, 502},
		"no answer comes":            {func(c *fakemodel.Server) { c.SetHanging(true) }, 504},
		"text in place of an answer": {func(c *fakemodel.Server) { c.SetBroken(fakemodel.NotJSON) }, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, impatient())
			w.swap(t, split.Whole, plan{noShield: true})
			tt.fail(w.candidate)
			a := w.infer(t, "u1")
			if a.status != tt.want || a.arm() != "candidate" || w.baseline.Started() != 0 {
				t.Errorf("status %d of the %s, %d at the baseline; want %d", a.status, a.arm(), w.baseline.Started(), tt.want)
			}
			if c := w.collected(t, sticky, 1).side(0, split.Candidate); c.Rates[0].K != 1 || c.Shielded != 0 {
				t.Errorf("%d errors, %d shielded; want 1 and 0", c.Rates[0].K, c.Shielded)
			}
		})
	}
}

func TestWhenBothFailTheBaselinesAnswerIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	w.swap(t, split.Whole, plan{})
	w.candidate.SetErrors(1, 500)
	w.baseline.SetErrors(1, 503)
	if a := w.infer(t, "u1"); a.status != 503 || a.header.Get(shieldedField) != "true" {
		t.Errorf("status %d, shielded %q", a.status, a.header.Get(shieldedField))
	}
	if err := w.baseline.Refuse(); err != nil {
		t.Fatal(err)
	}
	if a := w.infer(t, "u2"); a.status != 502 || a.header.Get(shieldedField) != "" {
		t.Errorf("with the baseline down: status %d, shielded %q", a.status, a.header.Get(shieldedField))
	}
	c := w.collected(t, sticky, 2).side(0, split.Candidate)
	if c.Rates[0].K != 2 || c.Shielded != 1 {
		t.Errorf("%d errors, %d shielded; want 2 and 1", c.Rates[0].K, c.Shielded)
	}
	if s := w.router.rollouts[rolloutNumber].guard.Score(); s != 0 {
		t.Errorf("failures that the baseline shares lifted the score to %.2f", s)
	}
}

func TestADeadCandidateIsCutOffAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	if err := w.candidate.Refuse(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 3 {
		if a := w.infer(t, "one caller"); a.status != http.StatusOK {
			t.Errorf("request %d: status %d", i, a.status)
		}
	}
	select {
	case n := <-w.router.Wake():
		if n != rolloutNumber {
			t.Errorf("woken for rollout %d", n)
		}
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
	s := w.state(t)
	if s.CutOff == nil || s.CutOff.Reason != cutoff.CandidateRefusing || s.Weight != 0 {
		t.Fatalf("cut-off %+v at weight %d after %v", s.CutOff, s.Weight, time.Since(began))
	}
	if a := w.infer(t, "one caller"); a.arm() != "baseline" || a.header.Get(shieldedField) != "" {
		t.Errorf("after the cut-off: arm %s, shielded %q", a.arm(), a.header.Get(shieldedField))
	}
}

func TestACandidateThatFailsEverybodyIsCutOffWithinSeconds(t *testing.T) {
	t.Parallel()
	for _, shield := range []bool{true, false} {
		t.Run(fmt.Sprintf("shield %v", shield), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Limits{})
			w.swap(t, 5000, plan{noShield: !shield})
			w.candidate.SetErrors(1, 500)
			began := time.Now()
			for i := 0; w.state(t).CutOff == nil; i++ {
				a := w.infer(t, fmt.Sprint("u", i))
				if shield && a.status != http.StatusOK {
					t.Errorf("request %d: status %d", i, a.status)
				}
				if time.Since(began) > patience {
					t.Fatalf("not cut off after %d requests", i)
				}
				// Slow enough that the score does not reach its upper limit, which
				// needs no age, within the second.
				time.Sleep(12 * time.Millisecond)
			}
			// 14 failures lie within the first moments; then it is the second
			// that an excursion must last, or the hundredth rescue.
			trip := w.state(t).CutOff
			if took := time.Since(began); trip.Reason == cutoff.CandidateFailing && took < cutoff.MinAge {
				t.Errorf("cut off after %v: %+v", took, trip)
			}
			at := w.candidate.Started()
			for i := range 50 {
				if a := w.infer(t, fmt.Sprint("after", i)); a.status != http.StatusOK || a.arm() != "baseline" {
					t.Errorf("after the cut-off: status %d from the %s", a.status, a.arm())
				}
			}
			if got := w.candidate.Started(); got != at {
				t.Errorf("%d requests reached the candidate after its cut-off", got-at)
			}
		})
	}
}

func TestOnePoisonedUnitNeverCutsTheCandidateOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	w.candidate.SetErrors(1, 500) // For whoever asks now: the poisoned caller alone.
	end := time.Now().Add(1500 * time.Millisecond)
	n := 0
	for ; time.Now().Before(end); n++ {
		if a := w.infer(t, "poisoned"); a.status != http.StatusOK || a.arm() != "candidate" {
			t.Fatalf("request %d: status %d from the %s", n, a.status, a.arm())
		}
	}
	if s := w.state(t); s.CutOff != nil || n < 30 {
		t.Errorf("after %d poisoned requests: cut-off %+v", n, s.CutOff)
	}
}

// Without a unit the caller's connection is the unit.
func TestOneConnectionWithoutAUnitNeverCutsTheCandidateOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	w.candidate.SetErrors(1, 500)
	end := time.Now().Add(1300 * time.Millisecond)
	for time.Now().Before(end) {
		w.infer(t, "") // The client keeps one connection.
	}
	if s := w.state(t); s.CutOff != nil || s.Unitless < 20 {
		t.Fatalf("cut-off %+v after %d requests of one connection", s.CutOff, s.Unitless)
	}
	for range 12 {
		w.client = newClient(t)
		w.infer(t, "")
		time.Sleep(10 * time.Millisecond)
	}
	if s := w.state(t); s.CutOff == nil {
		t.Error("twelve more connections did not cut the candidate off")
	}
}

func TestACutOffSurvivesSwapsAndEndsWithItsRollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	_ = w.candidate.Refuse()
	for range 3 {
		w.infer(t, "u")
	}
	if err := w.candidate.Accept(); err != nil {
		t.Fatal(err)
	}
	for i, weight := range []uint32{5000, split.Whole} {
		w.swap(t, weight, plan{stratum: uint8(i + 1)})
		if s := w.state(t); s.CutOff == nil || s.Weight != 0 {
			t.Errorf("at weight %d the candidate came back", weight)
		}
		if a := w.infer(t, "u"); a.arm() != "baseline" {
			t.Errorf("at weight %d a request went to the %s", weight, a.arm())
		}
	}
	w.swap(t, 0, plan{alone: true})
	if _, ok := w.router.Rollout(rolloutNumber); ok {
		t.Error("a rollout that no table names is still known")
	}
	w.swap(t, split.Whole, plan{stratum: 3})
	if s := w.state(t); s.CutOff != nil || s.Weight != split.Whole {
		t.Errorf("a rollout that came back anew: cut-off %+v, weight %d", s.CutOff, s.Weight)
	}
	if a := w.infer(t, "u"); a.arm() != "candidate" {
		t.Errorf("a request went to the %s", a.arm())
	}
}

// What the cut-off sends elsewhere is in no comparison: the baseline must not
// be judged by the candidate's units.
func TestDivertedRequestsAreNoEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	_ = w.candidate.Refuse()
	for range 3 {
		w.infer(t, "u")
	}
	w.collected(t, sticky, 3)
	a := w.infer(t, "u")
	e, err := w.signer.Read(a.header.Get(assignmentField))
	if err != nil || e.Stratum != table.NoStratum || e.Arm != split.Baseline {
		t.Errorf("token %+v, %v; want one that is in no comparison", e, err)
	}
	if got := w.router.Collect(); len(got) != 0 {
		t.Errorf("counted %+v", got)
	}
	if s := w.state(t); s.Diverted != 1 {
		t.Errorf("%d diverted, want 1", s.Diverted)
	}
}
