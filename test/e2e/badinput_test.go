package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// What is wrong is refused with a message that says what to do, and costs
// nothing: while all of this is tried on a server, one of its rollouts goes on
// under load, and no request, no document and no decision of it is lost.
func TestBadInputIsRefusedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	w := newStanding(t)
	for _, tt := range []struct {
		name string
		try  func(*testing.T, *standing)
	}{
		{"broken YAML", brokenYAML},
		{"unknown YAML", unknownYAML},
		{"weights that fall", weightsThatFall},
		{"a weight over 100 %", weightsOver100},
		{"a gate on an unknown metric", unknownMetric},
		{"a candidate that is down", candidateDown},
		{"a candidate of another signature", anotherSignature},
		{"two rollouts on one model", twoRolloutsOnOneModel},
		{"a name in use", nameInUse},
		{"a port in use", portInUse},
		{"a data directory in use", dataInUse},
		{"an oversized body for the API", oversizedFile},
		{"a cut body for the API", cutBody},
		{"an oversized body of traffic", oversizedTraffic},
		{"a cut body of traffic", cutTraffic},
		{"a bad token", badToken},
		{"a foreign token", foreignToken},
		{"an outcome twice", outcomeTwice},
		{"an outcome for an unknown rollout", unknownRollout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.kept(t)
			tt.try(t, w)
			if diff := cmp.Diff(before, w.kept(t)); diff != "" {
				t.Errorf("it changed what is kept (-before +after):\n%s", diff)
			}
		})
	}
	w.check(t)
}

// standing is a server with a rollout that goes on under load.
type standing struct {
	*server
	baseline, candidate *fakemodel.Server
	callers             *callers
	log                 []client.Decision
}

// standingFiles has a spare model besides the one that is rolled out.
const standingFiles = `---
apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: spare}
spec:
  serving: {version: v1, url: %q}
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: graded}
spec:
  warmup: 0s
  stages:
    - {weight: 50%%, dwell: 1h}
    - {weight: 100%%, dwell: 1h, holdback: 1%%}
  gates:
    - {metric: error_rate, maxIncrease: 5pp}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`

func newStanding(t *testing.T) *standing {
	t.Helper()
	s := newServer(t)
	w := &standing{server: s}
	w.baseline, w.candidate = pair(t)
	s.apply(files(w.baseline, time.Hour) + fmt.Sprintf(standingFiles, w.baseline.URL()))
	w.callers = call(t, s.infer("m"), 100, 100)
	s.apply(strings.ReplaceAll(rolloutFile("standing", w.candidate), "policy: quick", "policy: graded"))
	s.wait("standing", 20*time.Second, func(r client.Rollout) bool { return r.Exposure.Requests > 20 })
	w.log = s.log("standing")
	return w
}

// kept is everything that a person has told the server.
func (w *standing) kept(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	models, err := w.client.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		out["model/"+m.Name] = m.Revision
	}
	policies, err := w.client.Policies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		out["policy/"+p.Name] = p.Revision
	}
	rollouts, err := w.client.List(t.Context(), client.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rollouts {
		out["rollout/"+r.Name] = 0 // Its revision grows with its decisions.
	}
	return out
}

// check: the rollout went on, and its callers noticed nothing.
func (w *standing) check(t *testing.T) {
	t.Helper()
	w.callers.halt()
	if n := w.callers.failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed: %s", n, w.callers.sent.Load(), w.callers.why())
	}
	if r := w.status("standing"); r.Phase != client.Progressing {
		t.Errorf("the rollout is %s: %s", r.Phase, sentence(r))
	}
	checkLog(t, w.log, w.server.log("standing"))
}

// rollout is a file with a rollout of the spare model.
func (w *standing) rollout(name, url string) string {
	return fmt.Sprintf(`apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: %s}
spec:
  model: spare
  candidate: {version: v2, url: %q}
`, name, url)
}

func brokenYAML(t *testing.T, w *standing) {
	command(t, w.server, "apiVersion: belay.dev/v1alpha1\nkind: Model\nmetadata: {name: x\nspec: {}\n", "apply", "-f", "-").
		fails(2, "standard input:4:1: a pair is not followed by , or }", "nothing was changed")
	command(t, w.server, "kind: Model\n\tmetadata: {}\n", "apply", "-f", "-").fails(2, "standard input:2:", "tab")
}

func unknownYAML(t *testing.T, w *standing) {
	file := w.rollout("x", "http://127.0.0.1:1") + "  polcy: quick\n  rollback: {cooldwn: 1h}\n"
	command(t, w.server, file, "apply", "-f", "-").fails(2,
		`standard input:7:3: spec.polcy: `, `did you mean "policy"`,
		`standard input:8:14: spec.rollback.cooldwn: `, `did you mean "cooldown"`, "2 problems; nothing was changed")
}

// policy is a file with a policy of the given stages and gates.
func policy(stages, gates string) string {
	return "apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: broken}\nspec:\n  stages:\n" + stages + "  gates:\n" + gates
}

const anyGate = "    - {metric: error_rate, maxIncrease: 1pp}\n"

func weightsThatFall(t *testing.T, w *standing) {
	command(t, w.server, policy("    - {weight: 10%, dwell: 1h}\n    - {weight: 5%, dwell: 1h}\n", anyGate), "apply", "-f", "-").
		fails(2, "standard input:7:16: spec.stages[1].weight: ", "nothing was changed")
}

func weightsOver100(t *testing.T, w *standing) {
	command(t, w.server, policy("    - {weight: 10%, dwell: 1h}\n    - {weight: 150%, dwell: 1h}\n", anyGate), "apply", "-f", "-").
		fails(2, "standard input:7:16: spec.stages[1].weight: ", "100%", "nothing was changed")
}

func unknownMetric(t *testing.T, w *standing) {
	command(t, w.server, policy("    - {weight: 100%, dwell: 1h, holdback: 1%}\n", "    - {metric: eror_rate, maxIncrease: 1pp}\n"), "apply", "-f", "-").
		fails(2, "standard input:8:16: spec.gates[0].metric: ", `did you mean "error_rate"`, "nothing was changed")
}

func candidateDown(t *testing.T, w *standing) {
	command(t, w.server, "", "start", "spare", "--version", "v2", "--url", "http://"+freeAddr(t)).
		fails(1, "candidate v2 cannot be reached", ": connection refused; start it first")
	notReady := fakemodel.Start(t, fakemodel.Options{Model: "spare", Version: "v2"})
	notReady.SetReady(false)
	command(t, w.server, "", "start", "spare", "--version", "v2", "--url", notReady.URL()).
		fails(1, "candidate v2", "is not ready", "503")
	command(t, w.server, w.rollout("x", w.candidate.URL()), "apply", "-f", "-").
		fails(2, "standard input:6:33: spec.candidate.url: ", `serves no model "spare"`)
}

func anotherSignature(t *testing.T, w *standing) {
	other := fakemodel.Start(t, fakemodel.Options{
		Model: "m", Version: "v3",
		Inputs:  []fakemodel.Tensor{{Name: "pixels", Datatype: "FP32", Shape: []int64{-1, 4}}},
		Outputs: []fakemodel.Tensor{{Name: "y", Datatype: "INT64", Shape: []int64{-1, 1}}},
	})
	second := newServer(t)
	second.apply(files(w.baseline, time.Hour))
	command(t, second, "", "start", "m", "--version", "v3", "--url", other.URL()).fails(1,
		"candidate v3 has another signature than baseline v1", `input "x" is missing`, `input "pixels" is new`, `output "y" has datatype INT64 instead of FP32`)
	if r, err := second.client.List(t.Context(), client.ListRequest{}); err != nil || len(r) != 0 {
		t.Errorf("there are %d rollouts (%v)", len(r), err)
	}
}

func twoRolloutsOnOneModel(t *testing.T, w *standing) {
	command(t, w.server, "", "start", "m", "--version", "v3", "--url", w.candidate.URL()).
		fails(1, `model "m" has a rollout already: "standing"`, "belay abort standing")
}

func nameInUse(t *testing.T, w *standing) {
	command(t, w.server, w.rollout("standing", w.candidate.URL()), "apply", "-f", "-").
		fails(1, "standard input:3:18: metadata.name: ", `a rollout named "standing" exists`, "write another name")
	command(t, w.server, "", "start", "spare", "--version", "v2", "--url", w.candidate.URL(), "--name", "standing").
		fails(1, `a rollout named "standing" exists`)
}

func portInUse(t *testing.T, w *standing) {
	command(t, nil, "", "serve", "--data", t.TempDir(), "--listen", w.traffic, "--admin", "127.0.0.1:0").
		fails(1, "the address "+w.traffic+" for the traffic is in use", "--listen")
	command(t, nil, "", "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin", w.admin).
		fails(1, "the address "+w.admin+" for the API is in use", "--admin")
}

func dataInUse(t *testing.T, w *standing) {
	command(t, nil, "", "serve", "--data", w.data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0").
		fails(1, "the data directory "+w.data+" is in use by process "+fmt.Sprint(w.cmd.Process.Pid), "--data")
}

func oversizedFile(t *testing.T, w *standing) {
	large := w.rollout("large", w.candidate.URL()) + strings.Repeat("# nothing\n", 120_000)
	command(t, w.server, large, "apply", "-f", "-").fails(2, "standard input is larger than 1048576 bytes; split it")
	status, body := post(t, "http://"+w.admin+"/api/v1/apply", "application/yaml", large)
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("the API answers %d", status)
	}
	has(t, body, `"code":"too_large"`, "larger than 1048576 bytes")
}

// post sends a body to the API and returns the answer.
func post(t *testing.T, url, kind, body string) (int, string) {
	t.Helper()
	return postAs(t, "mira", url, kind, body)
}

// postAs is post in somebody's name.
func postAs(t *testing.T, actor, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if actor != "" {
		req.Header.Set("Belay-Actor", actor)
	}
	resp, err := patient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s answers %s: %s", url, resp.Status, text)
	return resp.StatusCode, string(text)
}

// announce sends a request whose body is as long as it says or shorter, and
// returns the answer's status and text.
func announce(t *testing.T, addr, path, body string, length int) (int, string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nBelay-Actor: mira\r\nContent-Length: %d\r\n\r\n%s", path, addr, length, body)
	if err == nil {
		err = conn.(*net.TCPConn).CloseWrite()
	}
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s answers %s: %s", path, resp.Status, text)
	return resp.StatusCode, string(text)
}

func cutBody(t *testing.T, w *standing) {
	for _, path := range []string{"/api/v1/apply", "/api/v1/rollouts", "/api/v1/outcomes", "/api/v1/rollouts/standing/actions"} {
		status, text := announce(t, w.admin, path, body[:len(body)/2], len(body))
		if status != http.StatusBadRequest {
			t.Errorf("%s answers %d", path, status)
		}
		has(t, text, `"code":"invalid"`, fmt.Sprintf("the body broke off after %d of %d bytes", len(body)/2, len(body)))
	}
}

func oversizedTraffic(t *testing.T, w *standing) {
	status, text := announce(t, w.traffic, "/v2/models/spare/infer", body, 65<<20)
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("it is answered with %d", status)
	}
	has(t, text, "the body is longer than 67108864 bytes")
}

func cutTraffic(t *testing.T, w *standing) {
	status, text := announce(t, w.traffic, "/v2/models/spare/infer", body[:len(body)/2], len(body))
	if status != http.StatusBadRequest {
		t.Errorf("it is answered with %d", status)
	}
	has(t, text, "the body broke off before the end that it announced")
}

// outcome is the command that reports one.
func outcome(id, token string) []string {
	return []string{"outcome", "--id", id, "--assignment", token, "--metric", "correct", "--value", "1"}
}

// token is one of the standing rollout.
func (w *standing) token(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.infer("m"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", t.Name())
	resp, err := transport(t).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := resp.Header.Get("Belay-Assignment")
	if out == "" {
		t.Fatal("the answer has no assignment")
	}
	return out
}

// refusedOutcome expects one outcome to be refused with a reason.
func refusedOutcome(t *testing.T, r *said, texts ...string) {
	t.Helper()
	if r.status != 1 {
		t.Errorf("exit status %d", r.status)
	}
	has(t, r.out, "0 accepted, 0 repeated, 0 unattributed, 1 refused")
	has(t, r.err, append(texts, `outcome "bad" was refused: `)...)
}

func badToken(t *testing.T, w *standing) {
	token := w.token(t)
	refusedOutcome(t, command(t, w.server, "", outcome("bad", "nonsense")...), "token")
	changed := "B" + token[1:]
	if changed == token {
		changed = "C" + token[1:]
	}
	refusedOutcome(t, command(t, w.server, "", outcome("bad", changed)...), "token")
	middle := []byte(token)
	middle[len(middle)/2] ^= 1
	refusedOutcome(t, command(t, w.server, "", outcome("bad", string(middle))...), "token")
	refusedOutcome(t, command(t, w.server, "", outcome("bad", token[:len(token)-3])...), "token")
}

func foreignToken(t *testing.T, w *standing) {
	foreign := assignment.NewSigner([]byte("0123456789abcdef0123456789abcdef")).Token(assignment.Exposure{
		Rollout: 1, Arm: split.Candidate, Unit: 7, Time: time.Now(),
	})
	refusedOutcome(t, command(t, w.server, "", outcome("bad", foreign)...), "another server")
}

func outcomeTwice(t *testing.T, w *standing) {
	token := w.token(t)
	command(t, w.server, "", outcome("order-1", token)...).works("1 accepted, 0 repeated, 0 unattributed, 0 refused")
	command(t, w.server, "", outcome("order-1", token)...).works("0 accepted, 1 repeated, 0 unattributed, 0 refused")
	// Twice within one batch is the same.
	line, err := json.Marshal(map[string]any{"id": "order-2", "assignment": token, "metric": "correct", "value": 1})
	if err != nil {
		t.Fatal(err)
	}
	command(t, w.server, string(line)+"\n"+string(line)+"\n", "outcome", "-f", "-").works("1 accepted, 1 repeated, 0 unattributed, 0 refused")
}

func unknownRollout(t *testing.T, w *standing) {
	command(t, w.server, "", "outcome", "--id", "x", "--model", "nobody", "--unit", "u", "--metric", "correct", "--value", "1").
		works("0 accepted, 0 repeated, 1 unattributed, 0 refused", "NoRollout 1")
	command(t, w.server, "", "outcome", "--id", "x", "--model", "spare", "--unit", "u", "--metric", "correct", "--value", "1").
		works("0 accepted, 0 repeated, 1 unattributed, 0 refused", "NoRollout 1")
}

// A token of a rollout that this server has signed and knows no more is taken
// and counted as unattributed.
func TestAnOutcomeForARolloutThatIsGoneIsUnattributed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.stop()
	store, err := sqlite.Open(t.Context(), s.data)
	if err != nil {
		t.Fatal(err)
	}
	key, err := store.Secret(t.Context(), "assignment", nil)
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	token := assignment.NewSigner(key).Token(assignment.Exposure{Rollout: 4711, Arm: split.Candidate, Unit: 7, Time: time.Now()})
	command(t, s, "", outcome("x", token)...).works("0 accepted, 0 repeated, 1 unattributed, 0 refused", "NoRollout 1")
}
