package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/demo/digits"
	"github.com/belay-rollouts/belay/internal/demo/modelserver"
)

// fakeServer answers in the place of the network, so that time can fly.
type fakeServer func(*http.Request) (*http.Response, error)

func (f fakeServer) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	return f(r)
}

// respond makes a response with a body.
func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

const answerSeven = `{"outputs":[{"name":"scores","data":[0.1]},{"name":"class","data":[7]}]}`

// someDigits are three digits that were meant as 7, 7 and 1.
func someDigits() []digits.Digit {
	pixels := make([]float32, digits.Pixels)
	pixels[63] = 15
	return []digits.Digit{{Pixels: pixels, Label: 7}, {Pixels: pixels, Label: 7}, {Pixels: pixels, Label: 1}}
}

// record collects answers from many goroutines.
type record struct {
	mu      sync.Mutex
	answers []Answer
}

func (r *record) add(a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a)
}

// byDue are the answers in the order in which their requests were due.
func (r *record) byDue() []Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.answers, func(a, b Answer) int { return a.Due.Compare(b.Due) })
	return r.answers
}

// fly sends traffic to a fake server for some time of a bubble, and stops it.
func fly(t *testing.T, opts Options, d time.Duration, server fakeServer) ([]Answer, Stats) {
	t.Helper()
	var seen record
	opts.URL = "http://nowhere/infer"
	opts.OnAnswer = seen.add
	if opts.Digits == nil {
		opts.Digits = someDigits()
	}
	g, err := start(t.Context(), opts, func(Options) http.RoundTripper { return server })
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	time.Sleep(d)
	if err := g.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	return seen.byDue(), g.Stats()
}

func TestRequestsAreDueAtThePointsOfAPoissonProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers, stats := fly(t, Options{Rate: 500, Seed: 3}, 100*time.Second, func(*http.Request) (*http.Response, error) {
			return respond(200, answerSeven), nil
		})
		n := float64(len(answers))
		if spread := math.Sqrt(50_000); math.Abs(n-50_000) > 4*spread {
			t.Fatalf("%v requests in 100 s at 500 a second, want 50,000 +- %.0f", n, 4*spread)
		}
		// Of exponential gaps with mean 2 ms, a share of exp(-t/2ms) is longer than t.
		for _, longer := range []time.Duration{200 * time.Microsecond, 2 * time.Millisecond, 8 * time.Millisecond} {
			count := 0.0
			for i := range answers[1:] {
				if answers[i+1].Due.Sub(answers[i].Due) > longer {
					count++
				}
			}
			want := math.Exp(-longer.Seconds() * 500)
			if spread := math.Sqrt(want * (1 - want) / n); math.Abs(count/n-want) > 4*spread {
				t.Errorf("%.4f of the gaps are longer than %v, want %.4f", count/n, longer, want)
			}
		}
		byDigit := [3]float64{}
		for _, a := range answers {
			byDigit[a.Digit]++
		}
		for digit, count := range byDigit {
			if math.Abs(count/n-1.0/3) > 0.01 {
				t.Errorf("digit %d was drawn in %.3f of requests, want a third", digit, count/n)
			}
		}
		if stats.Waited != 0 || stats.Dropped != 0 || stats.Due != stats.Ended || stats.Ended != uint64(n) {
			t.Errorf("stats %+v, want an open loop with %v requests", stats, n)
		}
	})
}

func TestTheSameSeedSendsTheSameTraffic(t *testing.T) {
	t.Parallel()
	traffic := func(t *testing.T, seed uint64) (sent []string) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			answers, _ := fly(t, Options{Rate: 100, Seed: seed}, time.Second, func(*http.Request) (*http.Response, error) {
				return respond(200, answerSeven), nil
			})
			for _, a := range answers {
				sent = append(sent, fmt.Sprint(a.Due.Sub(began), a.Digit))
			}
		})
		return sent
	}
	if diff := cmp.Diff(traffic(t, 1), traffic(t, 1)); diff != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", diff)
	}
	if cmp.Equal(traffic(t, 1), traffic(t, 2)) {
		t.Error("seeds 1 and 2 send the same traffic")
	}
}

func TestASlowServerDoesNotSlowTheTrafficDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers, stats := fly(t, Options{Rate: 100, Seed: 3}, 10*time.Second, func(*http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return respond(200, answerSeven), nil
		})
		if len(answers) < 880 || stats.Waited != 0 {
			t.Errorf("%d requests in 10 s at 100 a second, %d waited", len(answers), stats.Waited)
		}
		for _, a := range answers {
			if a.Latency != 2*time.Second {
				t.Fatalf("latency %v, want 2s", a.Latency)
			}
		}
	})
}

func TestWaitingForAPlaceCountsAsLatencyAndIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// One place at 10 a second, and an answer takes a second: 1 in 10 can be served.
		opts := Options{Rate: 10, Seed: 3, MaxUnderWay: 1}
		answers, stats := fly(t, opts, 100*time.Second, func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return respond(200, answerSeven), nil
		})
		if stats.Due != stats.Ended+stats.Dropped || stats.Ended != uint64(len(answers)) {
			t.Errorf("stats %+v: every request due must have ended or been dropped; %d answers", stats, len(answers))
		}
		if stats.Ended < 98 || stats.Ended > 103 || stats.Dropped < 750 || stats.Waited < stats.Dropped+90 {
			t.Errorf("stats %+v, want about 100 ended, the others dropped, and nearly all waited", stats)
		}
		waited := 0
		for _, a := range answers {
			if a.Latency > 1900*time.Millisecond {
				waited++
			}
		}
		if waited < 50 {
			t.Errorf("only %d of %d latencies show the wait", waited, len(answers))
		}
	})
}

func TestEverythingButAReadable200Failed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		server fakeServer
		status int
		want   string
	}{
		"a 500":                   {answers(500, `{"error":"the model failed"}`), 500, `status 500: {"error":"the model failed"}`},
		"a 400":                   {answers(400, "no"), 400, "status 400: no"},
		"a redirect":              {answers(302, ""), 302, "status 302"},
		"a 201":                   {answers(201, answerSeven), 201, "status 201"},
		"an answer without class": {answers(200, `{"outputs":[{"name":"scores"}]}`), 200, `no output named "class"`},
		"two classes":             {answers(200, `{"outputs":[{"name":"class","data":[1,2]}]}`), 200, "class is [1 2], not one whole number"},
		"a class that is text":    {answers(200, `{"outputs":[{"name":"class","data":["a"]}]}`), 200, "no inference answer"},
		"half a class":            {answers(200, `{"outputs":[{"name":"class","data":[1.5]}]}`), 200, "class is [1.5]"},
		"no JSON":                 {answers(200, "<html>"), 200, "no inference answer"},
		"a cut body": {func(*http.Request) (*http.Response, error) {
			r := respond(200, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(answerSeven[:9]), failingReader{}))
			return r, nil
		}, 200, "read the answer about digit"},
		"no connection": {func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, 0, "refused"},
		"silence": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 0, "deadline exceeded"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answers, stats := fly(t, Options{Rate: 20, Seed: 3, Timeout: time.Second}, 2*time.Second, c.server)
				if stats.Failed == 0 || stats.Failed != stats.Ended || stats.Wrong != 0 || len(answers) != int(stats.Ended) {
					t.Errorf("stats %+v with %d answers, want all failed", stats, len(answers))
				}
				for _, a := range answers {
					if a.Status != c.status || a.Err == nil || !strings.Contains(a.Err.Error(), c.want) {
						t.Fatalf("got %d, %v; want %d and %q", a.Status, a.Err, c.status, c.want)
					}
				}
			})
		})
	}
}

func answers(status int, body string) fakeServer {
	return func(*http.Request) (*http.Response, error) { return respond(status, body), nil }
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTheRoutersHeadersAndTheLabelAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Uint64
		answers, stats := fly(t, Options{Rate: 100, Seed: 3}, time.Second, func(*http.Request) (*http.Response, error) {
			r := respond(200, answerSeven)
			r.Header.Set("Belay-Arm", "candidate")
			r.Header.Set("Belay-Assignment", fmt.Sprint("token-", n.Add(1)))
			r.Header.Set("Belay-Shielded", "true")
			return r, nil
		})
		wrong := uint64(0)
		for _, a := range answers {
			if a.Arm != "candidate" || !strings.HasPrefix(a.Assignment, "token-") || !a.Shielded || a.Status != 200 || a.Err != nil {
				t.Fatalf("answer %+v lacks what the router said", a)
			}
			if want := someDigits()[a.Digit].Label; a.Predicted != 7 || a.Label != want {
				t.Fatalf("digit %d: predicted %d, label %d; want 7 and %d", a.Digit, a.Predicted, a.Label, want)
			}
			if a.Predicted != a.Label {
				wrong++
			}
		}
		if stats.Shielded != stats.Ended || stats.Wrong != wrong || wrong == 0 || stats.Failed != 0 {
			t.Errorf("stats %+v, want all shielded and %d wrong", stats, wrong)
		}
	})
}

func TestStopIsBoundedAndWhatItCutsOffIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen record
		hang := fakeServer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		opts := Options{URL: "http://nowhere", Digits: someDigits(), Rate: 100, OnAnswer: seen.add, Timeout: time.Hour}
		g, err := start(t.Context(), opts, func(Options) http.RoundTripper { return hang })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		before := time.Now()
		if err := g.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v, want the deadline", err)
		}
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("stop took %v, want 3s", took)
		}
		stats := g.Stats()
		if stats.Abandoned == 0 || stats.Abandoned != stats.Ended || stats.Failed != 0 || len(seen.answers) != 0 {
			t.Errorf("stats %+v and %d answers, want all abandoned and none told", stats, len(seen.answers))
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("stop again: %v", err)
		}
	})
}

func TestTrafficEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		opts := Options{URL: "http://nowhere", Digits: someDigits(), Rate: 100}
		g, err := start(ctx, opts, func(Options) http.RoundTripper { return answers(200, answerSeven) })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		ended := g.Stats().Due
		time.Sleep(time.Second)
		if got := g.Stats().Due; got != ended || ended == 0 {
			t.Errorf("%d requests were due when the context ended, %d a second later", ended, got)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	good := Options{URL: "http://127.0.0.1:1/", Digits: someDigits(), Rate: 1}
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"no URL":           {func(o *Options) { o.URL = "" }, "no http URL"},
		"an https URL":     {func(o *Options) { o.URL = "https://x" }, "no http URL"},
		"a broken URL":     {func(o *Options) { o.URL = "http://%" }, "invalid URL"},
		"no digits":        {func(o *Options) { o.Digits = nil }, "no digits"},
		"no rate":          {func(o *Options) { o.Rate = 0 }, "rate 0"},
		"a rate of NaN":    {func(o *Options) { o.Rate = math.NaN() }, "rate NaN"},
		"a negative bound": {func(o *Options) { o.MaxUnderWay = -1 }, "-1 requests under way"},
		"a time-out below": {func(o *Options) { o.Timeout = -1 }, "time-out"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := good
			c.change(&opts)
			if _, err := Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestARealServerIsAskedOverConnectionsThatStayOpen(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasPrefix(string(body), `{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[0,0,`) ||
			!strings.HasSuffix(string(body), `,0,15]}],"outputs":[{"name":"class"}]}`) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %v %s", err, body)
		}
		_, _ = io.WriteString(w, answerSeven)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	g, err := Start(t.Context(), Options{URL: server.URL, Digits: someDigits(), Rate: 500, Seed: 1, MaxUnderWay: 8})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := g.Stats(); stats.Failed != 0 || stats.Ended < 50 || opened.Load() > 8 {
		t.Errorf("stats %+v over %d connections", stats, opened.Load())
	}
}

func TestTheErrorRateOfTrafficIsTheHeldOutError(t *testing.T) {
	t.Parallel()
	split, err := digits.NewSplit(1)
	if err != nil {
		t.Fatal(err)
	}
	network, err := digits.Train(t.Context(), digits.Options{Digits: split.Training[:300], Epochs: 2})
	if err != nil {
		t.Fatal(err)
	}
	server, err := modelserver.Start(t.Context(), modelserver.Options{Name: "digits", Version: "v1", Model: network})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var seen record
	g, err := Start(t.Context(), Options{
		URL: server.URL() + "/v2/models/digits/infer", Digits: split.HeldOut, Rate: 1000, Seed: 5, OnAnswer: seen.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stats, want := g.Stats(), network.Error(split.HeldOut)
	for _, a := range seen.answers {
		if class, _ := network.Predict(split.HeldOut[a.Digit].Pixels); a.Predicted != class {
			t.Fatalf("digit %d: got class %d, the network says %d", a.Digit, a.Predicted, class)
		}
	}
	share := float64(stats.Wrong) / float64(stats.Ended)
	if spread := math.Sqrt(want * (1 - want) / float64(stats.Ended)); stats.Failed != 0 || math.Abs(share-want) > 4*spread {
		t.Errorf("%.3f of %d answers wrong, %d failed; want %.3f, as on the held-out digits", share, stats.Ended, stats.Failed, want)
	}
}
