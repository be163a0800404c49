package e2e

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// What must never happen, seen from outside. The promises that need a fault
// which no caller can bring about are kept beside the code; the table in
// docs/contributing/testing.md names the test of each.

// plan is a rollout with a plan of its own.
func plan(name string, candidate *fakemodel.Server, stages, gates string) string {
	return rolloutFile(name, candidate) + "  warmup: 0s\n  minSamples: 20\n  stages:\n" + stages + "  gates:\n" + gates
}

const (
	longStages = "    - {weight: 20%, dwell: 1h, require: no-harm}\n    - {weight: 100%, dwell: 1h, holdback: 10%}\n"
	ratioGate  = "    - {metric: error_rate, maxIncrease: 20%}\n"
)

// The baseline has no error at all and the dwell is an hour: a margin relative
// to nothing must still see the candidate's errors, and must not wait for it.
func TestNeverAFailThatWaitsNorErrorsHiddenByAFlawlessBaseline(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	candidate.SetErrors(0.15, 500) // Below what the router cuts off by itself.
	s.apply(files(baseline, time.Hour))
	call(t, s.infer("m"), 300, 300)
	s.apply(plan("r", candidate, longStages, ratioGate))
	r := s.wait("r", 40*time.Second, ended)
	if r.Phase != client.RolledBack || r.Last.Reason != "GateFailed" || r.Last.Gate != "error_rate" || r.Stage.Index != 0 {
		t.Errorf("%s at stage %d by %s %s: %s", r.Phase, r.Stage.Index, r.Last.Reason, r.Last.Gate, sentence(r))
	}
	has(t, sentence(r), "ROLLBACK at 20%", "against 0%")
}

// Nobody reports an outcome, although a gate asks for it: it neither passes nor
// fails, and the rollout goes nowhere. Nor does a value that is no number count.
func TestNeverAVerdictWithoutData(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	call(t, s.infer("m"), 200, 200)
	s.apply(plan("r", candidate, "    - {weight: 50%, dwell: 1s, require: no-harm}\n    - {weight: 100%, dwell: 1h, holdback: 10%}\n",
		"    - {metric: error_rate, maxIncrease: 5pp}\n    - {metric: \"outcome:correct\", kind: rate, maxDecrease: 4pp}\n"))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Last != nil && r.Last.Reason == "NoData" })
	for _, value := range []string{`NaN`, `"NaN"`, `1e999`, `null`} {
		status, _ := post(t, "http://"+s.admin+"/api/v1/outcomes", "application/json",
			fmt.Sprintf(`{"outcomes": [{"id": "x", "model": "m", "unit": "user-1", "metric": "correct", "value": %s}]}`, value))
		if status != http.StatusBadRequest {
			t.Errorf("the value %s is answered with %d", value, status)
		}
	}
	time.Sleep(2 * time.Second)
	r := s.status("r")
	if r.Phase != client.Progressing || r.Stage.Index != 0 || r.Last.Gate != "outcome:correct" {
		t.Errorf("%s at stage %d: %s", r.Phase, r.Stage.Index, sentence(r))
	}
	for _, g := range r.Gates {
		if g.Gate == "outcome:correct" && g.Verdict != client.NoData {
			t.Errorf("a gate without data says %s", g.Verdict)
		}
	}
	has(t, command(t, s, "", "status", "r").out, "NO-DATA")
	has(t, command(t, s, "", "promote", "r").err, "outcome:correct has no data")
}

// A killed server comes back with every user in the arm that he was in.
func TestNeverARestartThatDrawsTheArmsAnew(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	s.apply(plan("r", candidate, "    - {weight: 50%, dwell: 1h}\n    - {weight: 100%, dwell: 1h, holdback: 1%}\n", anyGate))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Phase == client.Progressing })
	const users = 60
	seen := func() map[string]string {
		c := call(t, s.infer("m"), 300, users)
		defer c.halt()
		out := map[string]string{}
		for until := time.Now().Add(20 * time.Second); len(out) < users && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			for _, a := range c.taken() {
				out[a.user] = a.version
			}
		}
		return out
	}
	before := seen()
	for range 2 {
		s.kill()
		s.start()
	}
	after := seen()
	if !maps.Equal(before, after) || len(before) != users {
		t.Errorf("arms of %d users before, of %d after:\n%v\n%v", len(before), len(after), before, after)
	}
	candidates := 0
	for _, version := range before {
		if version == "v2" {
			candidates++
		}
	}
	if candidates < 10 || candidates > 50 { // 30 expected, 4 standard deviations of 3.9 are 15.5.
		t.Errorf("%d of %d users are the candidate's", candidates, users)
	}
}

// Errors rise alike in both arms after the weight has: pooled over the stages
// the candidate, which got most of its traffic then, looks twice as bad.
func TestNeverAComparisonBiasedByAChangeOfWeight(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	call(t, s.infer("m"), 400, 4000)
	s.apply(plan("r", candidate,
		"    - {weight: 10%, dwell: 7s, require: no-harm}\n    - {weight: 50%, dwell: 1h, require: no-harm}\n    - {weight: 100%, dwell: 1h, holdback: 10%}\n",
		"    - {metric: error_rate, maxIncrease: 20%}\n"))
	s.wait("r", 30*time.Second, func(r client.Rollout) bool { return r.Stage.Index == 1 })
	baseline.SetErrors(0.06, 500)
	candidate.SetErrors(0.06, 500)
	time.Sleep(7 * time.Second)
	r := s.status("r")
	if r.Phase != client.Progressing {
		t.Fatalf("%s: %s", r.Phase, sentence(r))
	}
	g := r.Gates[0]
	if pooled := g.Total.CandidateEvents / g.Total.CandidateExposures / (g.Total.BaselineEvents / g.Total.BaselineExposures); !(pooled > 1.4) {
		t.Errorf("the test shows nothing: pooled, the candidate has %.2f times the baseline's errors", pooled)
	}
	if g.Verdict == client.Fail || g.Bound != nil && g.Bound.Lower != nil && *g.Bound.Lower > 0.2 {
		t.Errorf("the gate says %s: %+v", g.Verdict, g.Bound)
	}
}

// One user of the candidate sends as much as all others together, and whatever
// he sends fails, on either version. Request by request the candidate would have
// hundreds of errors against none; but it is one user.
func TestNeverEvidenceInflatedByAStickyUser(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var poisoned atomic.Value
	poisoned.Store("")
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-User-Id") == poisoned.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	baseline := fakemodel.Start(t, fakemodel.Options{Version: "v1", Handler: answers})
	candidate := fakemodel.Start(t, fakemodel.Options{Version: "v2", Handler: answers})
	s.apply(strings.Replace(files(baseline, time.Hour), "  unit:", "  protocol: http\n  route: {pathPrefix: /m}\n  unit:", 1))
	url := "http://" + s.traffic + "/m"
	call(t, url, 200, 200)
	s.apply(plan("r", candidate, "    - {weight: 50%, dwell: 1h}\n    - {weight: 100%, dwell: 1h, holdback: 1%}\n", "    - {metric: error_rate, maxIncrease: 5pp}\n"))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Exposure.Requests > 200 })

	via := transport(t)
	user := ""
	for i := 0; user == ""; i++ {
		if name := fmt.Sprint("poison-", i); ask(t, via, url, name) == "candidate" {
			user = name
		}
	}
	poisoned.Store(user)
	for range 600 {
		ask(t, via, url, user)
	}
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Gates[0].Total.CandidateEvents >= 600 })
	time.Sleep(2 * time.Second)
	r := s.status("r")
	if r.Phase != client.Progressing || r.Gates[0].Verdict == client.Fail {
		t.Errorf("%s, %s: %s", r.Phase, r.Gates[0].Verdict, sentence(r))
	}
	t.Logf("%.0f of %.0f candidate requests failed, %.0f of %.0f of the baseline: %s, e-value %.2g",
		r.Gates[0].Total.CandidateEvents, r.Gates[0].Total.CandidateExposures, r.Gates[0].Total.BaselineEvents, r.Gates[0].Total.BaselineExposures,
		r.Gates[0].Verdict, math.Exp(r.Gates[0].LogFail))
}

// ask sends a request in somebody's name and returns the arm that took it.
func ask(t *testing.T, via *http.Transport, url, user string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", user)
	resp, err := via.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Belay-Arm")
}

// A rollout that no gate would roll back says so wherever it is shown.
func TestNeverAnUnguardedRolloutThatLooksGuarded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	file := plan("r", candidate, longStages, "    - {metric: error_rate, maxIncrease: 20%, onFail: hold}\n    - {metric: latency_p99, maxIncrease: 10%, role: info}\n")
	const word = "UNGUARDED"
	path := t.TempDir() + "/r.yaml"
	// Without a server the model has to be in the same file.
	if err := os.WriteFile(path, []byte(files(baseline, time.Hour)+"---\n"+file), 0o600); err != nil {
		t.Fatal(err)
	}
	has(t, command(t, nil, "", "validate", path).err, word)
	has(t, command(t, s, file, "apply", "-f", "-", "--dry-run").err, word)
	has(t, command(t, s, file, "apply", "-f", "-").err, word)
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Phase == client.Progressing })
	has(t, command(t, s, "", "list").out, word)
	has(t, command(t, s, "", "status", "r").out, word)
	has(t, command(t, s, "", "explain", "r").out, word)
	has(t, firstLines(t, s, 2, "watch", "r"), word)
	if r := s.status("r"); r.Unguarded == "" {
		t.Error("the API shows it as guarded")
	}
	if _, text := get(t, "http://"+s.admin+"/metrics"); !strings.Contains(text, "\nbelay_rollouts_unguarded 1\n") {
		t.Error("the metrics count it as guarded")
	}
	if _, text := get(t, "http://"+s.admin+"/api/v1/rollouts"); !strings.Contains(text, `"unguarded":"no gate can roll back"`) {
		t.Errorf("the list of the API shows it as guarded: %s", text)
	}
}

// firstLines are the first lines that a command prints; then it is ended.
func firstLines(t *testing.T, s *server, n int, args ...string) string {
	t.Helper()
	cmd := program(t, s, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var text strings.Builder
	for range n {
		if !lines.Scan() {
			t.Errorf("belay %s ended after %q: %v", strings.Join(args, " "), text.String(), lines.Err())
			break
		}
		text.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // It was interrupted.
	t.Logf("$ belay %s\n%s", strings.Join(args, " "), text.String())
	return text.String()
}

// Subscribers that take nothing of what they are told hold up no rollback.
func TestNeverANotificationThatDelaysARollback(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	s.apply(files(baseline, time.Hour))
	call(t, s.infer("m"), 300, 300)
	for i := range 40 {
		query := []string{"", "?rollout=r"}[i%2]
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.admin)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(1024)
		if _, err := fmt.Fprintf(conn, "GET /api/v1/events%s HTTP/1.1\r\nHost: %s\r\n\r\n", query, s.admin); err != nil {
			t.Fatal(err)
		}
	}
	s.apply(plan("r", candidate, longStages, ratioGate))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Exposure.Requests > 50 })
	candidate.SetErrors(0.2, 500)
	r := s.wait("r", 30*time.Second, func(r client.Rollout) bool { return ended(r) && r.Ending != nil && !r.Ending.ConfirmedAt.IsZero() })
	e := r.Ending
	t.Logf("%s; swapped %v, confirmed %v, last start %v after the decision", r.Last.Reason,
		e.SwappedAt.Sub(e.DecidedAt), e.ConfirmedAt.Sub(e.DecidedAt), e.LastStartedAt.Sub(e.DecidedAt))
	if took := e.ConfirmedAt.Sub(e.DecidedAt); took > time.Second {
		t.Errorf("the traffic was confirmed %v after the decision", took)
	}
	if late := candidate.LastStart().Sub(e.DecidedAt); late > time.Second {
		t.Errorf("a request reached the candidate %v after the decision", late)
	}
}

// A server that is told to stop answers every request that has reached it.
func TestNeverARequestLostByAStop(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	baseline, candidate := pair(t)
	for _, m := range []*fakemodel.Server{baseline, candidate} {
		m.SetLatency(time.Second)
	}
	s.apply(files(baseline, time.Hour))
	s.apply(plan("r", candidate, "    - {weight: 50%, dwell: 1h}\n    - {weight: 100%, dwell: 1h, holdback: 1%}\n", anyGate))
	s.wait("r", 20*time.Second, func(r client.Rollout) bool { return r.Phase == client.Progressing })
	c := call(t, s.infer("m"), 100, 100)
	for until := time.Now().Add(20 * time.Second); candidate.Started()-candidate.Finished() < 20 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	c.halt()
	// Those that came after the stop find nobody listening, or a connection that
	// is being closed; no version has seen them.
	if started, answered := baseline.Started()+candidate.Started(), len(c.taken()); started != uint64(answered) || answered < 20 {
		t.Errorf("%d requests reached a version, %d were answered: %s", started, answered, c.why())
	}
}
