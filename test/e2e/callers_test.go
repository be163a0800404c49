package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// callers send requests at a steady rate, each on behalf of one of a number of
// users, and keep account of what came back.
type callers struct {
	url   string
	body  string
	users int
	via   *http.Transport
	stop  chan struct{}
	wg    sync.WaitGroup

	sent, failed, refused, shielded atomic.Int64 // refused: no server listens

	mu       sync.Mutex
	answers  []answer
	failures map[string]int
}

// answer is one answered request.
type answer struct {
	user    string
	arm     string
	version string // of the server that answered
	at      time.Time
}

const body = `{"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}`

// call starts callers at a rate a second. They stop with the test at the latest.
func call(t *testing.T, url string, rate, users int) *callers {
	t.Helper()
	return callWith(t, url, body, rate, users)
}

// callWith is call with another body.
func callWith(t *testing.T, url, body string, rate, users int) *callers {
	t.Helper()
	c := &callers{url: url, body: body, users: users, via: transport(t), stop: make(chan struct{}), failures: map[string]int{}}
	c.wg.Go(func() { c.pace(time.Second / time.Duration(rate)) })
	t.Cleanup(c.halt)
	return c
}

// halt ends the callers and waits for the last answer.
func (c *callers) halt() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.wg.Wait()
}

// pace sends in an open loop: a slow answer delays nobody.
func (c *callers) pace(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			user := fmt.Sprintf("user-%d", i*7919%c.users)
			c.wg.Go(func() { c.one(user) })
		}
	}
}

func (c *callers) one(user string) {
	c.sent.Add(1)
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		c.fail(err.Error())
		return
	}
	req.Header.Set("X-User-Id", user)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: c.via, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		c.fail(err.Error())
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		c.fail(err.Error())
		return
	}
	if resp.StatusCode != http.StatusOK {
		c.fail(resp.Status)
		return
	}
	if resp.Header.Get("Belay-Shielded") == "true" {
		c.shielded.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, answer{user, resp.Header.Get("Belay-Arm"), resp.Header.Get("Fake-Version"), time.Now()})
}

// fail counts a request without a good answer. While the server is down nobody
// can answer, which is told apart.
func (c *callers) fail(why string) {
	c.failed.Add(1)
	if strings.Contains(why, "connection refused") {
		c.refused.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := strings.LastIndex(why, ": "); i >= 0 {
		why = why[i+2:]
	}
	c.failures[why]++
}

// taken returns the answers so far.
func (c *callers) taken() []answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]answer(nil), c.answers...)
}

func (c *callers) why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.failures)
}
