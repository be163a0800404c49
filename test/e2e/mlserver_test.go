//go:build integration

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// example is where the files of the example are; the test uses them as a reader
// of its README would.
const example = "../../examples/mlserver"

// Two versions of a classifier of handwritten digits, each behind an MLServer:
// the one that reads better goes to all requests by itself, the one that reads
// worse is put back by its labels alone, and no caller loses a request, not even
// where the model server closes idle connections under the router's hands.
func TestAModelServerThatIsNotOurs(t *testing.T) {
	setup(t)
	urls := map[string]string{"v1": mlserver(t, "v1"), "v2": mlserver(t, "v2")}
	held := heldOut(t)
	t.Run("rollout", func(t *testing.T) {
		t.Parallel()
		betterUpWorseDown(t, urls, held)
	})
	t.Run("idle connections", func(t *testing.T) {
		t.Parallel()
		closedWhileIdle(t, urls["v1"], held)
	})
}

func betterUpWorseDown(t *testing.T, urls map[string]string, held []digit) {
	s := newServer(t)
	s.apply(exampleFile(t, "model.yaml", urls))
	s.apply(exampleFile(t, "policy.yaml", urls))
	c := readDigits(t, s, held, 100)

	s.apply(exampleFile(t, "rollout.yaml", urls))
	up := s.wait("digits-v2", 5*time.Minute, ended)
	if up.Phase != client.Completed {
		t.Fatalf("the better version is %s: %s", up.Phase, sentence(up))
	}
	t.Logf("v2 after %v: %s", time.Since(up.CreatedAt).Round(time.Second), sentence(up))

	down, err := s.client.Start(t.Context(), client.StartRequest{Model: "digits", Version: "v1", URL: urls["v1"], Policy: "digits-quick"})
	if err != nil {
		t.Fatal(err)
	}
	down = s.wait(down.Name, 5*time.Minute, ended)
	if down.Phase != client.RolledBack || down.Last.Gate != "outcome:correct" {
		t.Errorf("the worse version is %s by %q: %s", down.Phase, down.Last.Gate, sentence(down))
	}
	t.Logf("v1 after %v: %s", time.Since(down.CreatedAt).Round(time.Second), sentence(down))

	time.Sleep(time.Second) // A second of the time after.
	c.halt()
	c.check(t)
}

// check: every request was answered, by the version that its arm stood for, and
// every label was taken.
func (c *digitCallers) check(t *testing.T) {
	t.Helper()
	if n := c.failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed: %s", n, c.sent.Load(), c.why())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "v2" {
		t.Errorf("the last answer is one of %q", c.last)
	}
	if c.refused > 0 || c.accepted == 0 {
		t.Errorf("%d labels were accepted and %d refused", c.accepted, c.refused)
	}
	t.Logf("%d requests, %d labels accepted", c.sent.Load(), c.accepted)
}

// The model server closes a connection that was idle for 5 s. Bursts of requests
// that come 4.9 to 5.1 s apart use connections just as they are being closed:
// none of them may be lost.
func closedWhileIdle(t *testing.T, url string, held []digit) {
	const bursts, width, large = 16, 96, 16 // Every large-th request has a body that is streamed.
	s := newServer(t)
	s.apply(exampleFile(t, "model.yaml", map[string]string{"v1": url}))
	rng := rand.New(rand.NewPCG(1, 5))
	c := newDigitCallers(t, s, held)
	for range bursts {
		var burst sync.WaitGroup
		for i := range width {
			late := time.Duration(rng.IntN(100)) * time.Millisecond
			body := held[rng.IntN(len(held))].body
			if i%large == 0 {
				body = many(held[:500])
			}
			burst.Go(func() {
				time.Sleep(late)
				c.ask(body)
			})
		}
		burst.Wait()
		time.Sleep(4900*time.Millisecond + time.Duration(rng.IntN(100))*time.Millisecond)
	}
	if n := c.failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed: %s", n, c.sent.Load(), c.why())
	}
	if c.sent.Load() != bursts*width {
		t.Errorf("%d requests were sent, not %d", c.sent.Load(), bursts*width)
	}
}

// digit is one held-out digit: the request that asks for it, and what it is.
type digit struct {
	body  []byte
	pixel []string
	label string
}

func heldOut(t *testing.T) []digit {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(example, "held-out.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var out []digit
	for line := range strings.Lines(string(file)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) != 65 {
			t.Fatalf("held-out.csv: a line of %d fields", len(fields))
		}
		d := digit{pixel: fields[:64], label: fields[64]}
		d.body = many([]digit{d})
		out = append(out, d)
	}
	return out
}

// many is a request that asks for several digits at once.
func many(digits []digit) []byte {
	rows := make([]string, len(digits))
	for i, d := range digits {
		rows[i] = strings.Join(d.pixel, ",")
	}
	return fmt.Appendf(nil, `{"inputs":[{"name":"pixels","shape":[%d,64],"datatype":"FP32","data":[%s]}]}`, len(digits), strings.Join(rows, ","))
}

// digitCallers ask for digits and tell what was read right a second later.
type digitCallers struct {
	server *server
	held   []digit
	via    *http.Client
	url    string
	*callers

	mu                sync.Mutex
	known             []label
	last              string // the version of the last answer
	accepted, refused int
}

// label is an outcome that is known from a time on.
type label struct {
	outcome client.Outcome
	from    time.Time
}

func newDigitCallers(t *testing.T, s *server, held []digit) *digitCallers {
	return &digitCallers{
		server: s, held: held, url: s.infer("digits"), via: &http.Client{Transport: transport(t), Timeout: 10 * time.Second},
		callers: &callers{stop: make(chan struct{}), failures: map[string]int{}},
	}
}

// readDigits starts callers at a rate a second, until halt.
func readDigits(t *testing.T, s *server, held []digit, rate int) *digitCallers {
	c := newDigitCallers(t, s, held)
	c.wg.Go(func() { c.pace(time.Second / time.Duration(rate)) })
	c.wg.Go(c.tell)
	t.Cleanup(c.halt)
	return c
}

// pace asks in an open loop: a slow answer delays nobody.
func (c *digitCallers) pace(every time.Duration) {
	rng := rand.New(rand.NewPCG(1, 6))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			d := c.held[rng.IntN(len(c.held))]
			c.wg.Go(func() { c.read(n, d) })
		}
	}
}

// read asks for one digit and keeps its label for later.
func (c *digitCallers) read(n int, d digit) {
	a := c.ask(d.body)
	if a == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = a.version
	if a.token == "" {
		return // No rollout: nobody wants to know.
	}
	o := client.Outcome{ID: fmt.Sprint("digit-", n), Assignment: a.token, Metric: "correct"}
	if a.read == d.label {
		o.Value = 1
	}
	c.known = append(c.known, label{o, time.Now().Add(time.Second)})
}

// reading is what a version made of a digit.
type reading struct{ version, read, token string }

// ask sends one request; nil if it had no good answer.
func (c *digitCallers) ask(body []byte) *reading {
	c.sent.Add(1)
	resp, err := c.via.Post(c.url, "application/json", bytes.NewReader(body))
	if err != nil {
		c.fail(err.Error())
		return nil
	}
	defer resp.Body.Close()
	var answer struct {
		ModelVersion string `json:"model_version"`
		Outputs      []struct{ Data []json.Number }
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || resp.StatusCode != http.StatusOK || len(answer.Outputs) != 1 || len(answer.Outputs[0].Data) == 0 {
		c.fail(fmt.Sprintf("%s: %v: %.200s", resp.Status, err, text))
		return nil
	}
	return &reading{answer.ModelVersion, answer.Outputs[0].Data[0].String(), resp.Header.Get("Belay-Assignment")}
}

// tell reports what has become known, and tries again what could not be
// reported: an outcome counts once.
func (c *digitCallers) tell() {
	for {
		select {
		case <-c.stop:
			return
		case <-time.After(250 * time.Millisecond):
		}
		var due []client.Outcome
		c.mu.Lock()
		for _, l := range c.known {
			if time.Now().After(l.from) {
				due = append(due, l.outcome)
			}
		}
		c.mu.Unlock()
		if len(due) == 0 {
			continue
		}
		result, err := c.server.client.Outcomes(context.Background(), due)
		if err != nil {
			c.server.t.Logf("labels: %v; trying again", err)
			continue
		}
		c.mu.Lock()
		c.accepted, c.refused = c.accepted+result.Accepted, c.refused+len(result.Refused)
		c.known = c.known[len(due):] // They are in the order of their time.
		c.mu.Unlock()
	}
}

// exampleFile is a file of the example, with the addresses of this run.
func exampleFile(t *testing.T, name string, urls map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, name))
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for version, printed := range map[string]string{"v1": "http://127.0.0.1:9101", "v2": "http://127.0.0.1:9102"} {
		if urls[version] != "" {
			out = strings.ReplaceAll(out, printed, urls[version])
		}
	}
	return out
}

// setup installs MLServer and trains the versions, unless that is done. A
// machine on which it cannot be done fails the test.
func setup(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(example, "setup.sh"))
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("MLServer cannot be set up (%v):\n%s", err, out)
	}
}

// mlserver serves a version until the test ends, and returns its address.
func mlserver(t *testing.T, version string) string {
	t.Helper()
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(filepath.Join(example, "serve.sh"), version, port)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
	})
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("MLServer ended (%v):\n%s", err, said.String())
		default:
		}
		resp, err := patient.Get("http://" + addr + "/v2/models/digits/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + addr
			}
		}
	}
	t.Fatal("MLServer does not get ready")
	return ""
}
