//go:build integration

package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// kills is how often the crash test kills the server.
func kills(t *testing.T) int {
	if v := os.Getenv("BELAY_E2E_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 50
}

// The server is killed at random moments of a rollout under load, many times in
// a row. It must come back each time to the same decisions, the same arms and
// the same evidence, at most two seconds short, and to the same ending.
func TestKilledAtAnyMomentItComesBackToTheSame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, 30*time.Second))
	s.apply(rolloutFile("r", candidate))
	const users = 400
	c := call(t, s.infer("m"), 200, users)
	watch := arms{version: map[string]string{}}
	kept := tally{since: time.Now()}

	survived := 0
	for range kills(t) {
		time.Sleep(time.Duration(300+rng.IntN(2500)) * time.Millisecond)
		before, known := s.status("r"), s.log("r")
		killedAt := time.Now()
		s.kill()
		watch.check(t, c)
		s.start()
		checkLog(t, known, s.log("r"))
		after := s.status("r")
		kept.check(t, after, c, killedAt)
		if client.Final(before.Phase) {
			if after.Phase != before.Phase {
				t.Errorf("the final phase %s became %s", before.Phase, after.Phase)
			}
			break
		}
		survived++
	}
	if survived < kills(t) {
		t.Errorf("the rollout ended after %d kills of %d: its stages are too short for this test", survived, kills(t))
	}
	r := s.wait("r", 4*time.Minute, ended)
	if r.Phase != client.Completed {
		t.Errorf("after %d kills the rollout is %s: %s", survived, r.Phase, sentence(r))
	}
	c.halt()
	watch.check(t, c)
	t.Logf("survived %d kills; %d requests, %d while no server listened, %d failed otherwise (%s); %d decisions",
		survived, c.sent.Load(), c.refused.Load(), c.failed.Load()-c.refused.Load(), c.why(), len(s.log("r")))
	s.stop()
	checkStore(t, s.data)
}

// arms notes the version that answers each user: once the candidate, it stays
// that while the weight only grows, and after completion.
type arms struct {
	version map[string]string
	seen    int
}

func (a *arms) check(t *testing.T, c *callers) {
	t.Helper()
	answers := c.taken()
	for _, x := range answers[a.seen:] {
		if a.version[x.user] == "v2" && x.version != "v2" {
			t.Errorf("%s moved from the candidate to %s", x.user, x.version)
		}
		a.version[x.user] = x.version
	}
	a.seen = len(answers)
}

// tally follows the evidence over restarts: each may cost what was seen in the
// last two seconds before it, and nothing else.
type tally struct {
	requests int64     // in the evidence after the last restart
	since    time.Time // the last restart
}

func (k *tally) check(t *testing.T, after client.Rollout, c *callers, killedAt time.Time) {
	t.Helper()
	want := k.requests
	for _, x := range c.taken() {
		// Half a second on top is for counting and reporting the answer.
		if x.arm == "candidate" && x.at.After(k.since) && killedAt.Sub(x.at) > 2500*time.Millisecond {
			want++
		}
	}
	if after.Exposure.Requests < want {
		t.Errorf("%d candidate requests were answered more than 2.5 s before the kill, %d are in the evidence after it", want, after.Exposure.Requests)
	}
	k.requests, k.since = after.Exposure.Requests, time.Now()
}

// checkStore: the decision log is whole.
func checkStore(t *testing.T, data string) {
	t.Helper()
	store, err := sqlite.Open(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	damage, err := store.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range damage {
		t.Errorf("the log is damaged: %+v", d)
	}
}

// The server is killed around the moment at which it rolls back. Whatever the
// moment was, it comes back to a rollout that ends rolled back, and a candidate
// whose traffic was taken away never gets any again.
func TestKilledWhileItRollsBackItComesBackAtWeightZero(t *testing.T) {
	rounds := max(kills(t)/5, 3)
	s := newServer(t)
	baseline, _ := pair(t)
	s.apply(files(baseline, 30*time.Second))
	c := call(t, s.infer("m"), 300, 300)
	for i := range rounds {
		killedWhileItRollsBack(t, s, c, i)
	}
	c.halt()
	s.stop()
	checkStore(t, s.data)
}

func killedWhileItRollsBack(t *testing.T, s *server, c *callers, round int) {
	rng := rand.New(rand.NewPCG(uint64(round), 2))
	bad := fakemodel.Start(t, fakemodel.Options{Model: "m", Version: "v2"})
	name := "bad-" + strconv.Itoa(round)
	s.apply(rolloutFile(name, bad))
	s.wait(name, 20*time.Second, func(r client.Rollout) bool { return r.Exposure.Requests > 20 })
	bad.SetErrors(1, 500)
	// Within about a second the cut-off, or the evidence, takes the traffic away.
	time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
	swapped := time.Since(bad.LastStart()) > 200*time.Millisecond
	s.kill()
	started := bad.Started()
	s.start()
	r := s.wait(name, 30*time.Second, ended)
	if r.Phase != client.RolledBack {
		t.Errorf("round %d: %s: %s", round, r.Phase, sentence(r))
	}
	if swapped && r.Last.Reason == "RollbackRecovered" && bad.Started() != started {
		t.Errorf("round %d: the candidate got %d requests after its traffic had been taken away", round, bad.Started()-started)
	}
	settled := bad.Started()
	time.Sleep(300 * time.Millisecond)
	if bad.Started() != settled {
		t.Errorf("round %d: the candidate gets traffic after the rollback", round)
	}
	t.Logf("round %d: %s, %s", round, r.Last.Reason, sentence(r))
}
