package fakemodel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const question = `{"id":"q1","inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[0,0,0,0]}]}`

// answer is what came back, or why nothing did.
type answer struct {
	status  int
	body    string
	version string
	err     error
}

// newClient is a client with connections of its own, closed with the test.
func newClient(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func ask(ctx context.Context, client *http.Client, method, url, body string) answer {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(text), response.Header.Get(versionHeader), err}
}

func infer(t *testing.T, s *Server) answer {
	t.Helper()
	return ask(t.Context(), newClient(t, false), "POST", s.InferURL(), question)
}

func get(t *testing.T, s *Server, path string) answer {
	t.Helper()
	return ask(t.Context(), newClient(t, false), "GET", s.URL()+path, "")
}

// eventually waits, for a bounded time, until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("not so within 5 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAFreshFakeIsAGoodModelServer(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Probes: []string{"/healthz"}})
	metadata := `{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"name":"model",` +
		`"outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}],"platform":"fake","versions":["v1"]}`
	result := `{"model_name":"model","model_version":"v1","id":"q1",` +
		`"outputs":[{"data":[0],"datatype":"FP32","name":"y","shape":[1,1]}]}`
	cases := map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"live":                    {"GET", "/v2/health/live", "", 200, `{"live":true}`},
		"ready":                   {"GET", "/v2/health/ready", "", 200, `{"ready":true}`},
		"a path that probes":      {"GET", "/healthz", "", 200, `{"ready":true}`},
		"the model is ready":      {"GET", "/v2/models/model/ready", "", 200, `{"ready":true}`},
		"the version is ready":    {"GET", "/v2/models/model/versions/v1/ready", "", 200, `{"ready":true}`},
		"metadata of the server":  {"GET", "/v2", "", 200, `{"extensions":[],"name":"fakemodel","version":"v1"}`},
		"metadata of the model":   {"GET", "/v2/models/model", "", 200, metadata},
		"metadata of the version": {"GET", "/v2/models/model/versions/v1", "", 200, metadata},
		"inference":               {"POST", "/v2/models/model/infer", question, 200, result},
		"of a version":            {"POST", "/v2/models/model/versions/v1/infer", question, 200, result},
		"no inference request":    {"POST", "/v2/models/model/infer", "{}", 400, `{"error":"the body is not an inference request"}`},
		"another model":           {"POST", "/v2/models/m/infer", question, 404, `{"error":"nothing is served at \"/v2/models/m/infer\""}`},
		"plain HTTP":              {"PUT", "/score?a=b", "anything", 200, "v1"},
	}
	for _, http2 := range []bool{false, true} {
		client := newClient(t, http2)
		for name, c := range cases {
			t.Run(fmt.Sprintf("%s, http2 %v", name, http2), func(t *testing.T) {
				got := ask(t.Context(), client, c.method, s.URL()+c.path, c.body)
				if got != (answer{c.status, c.want, "v1", nil}) {
					t.Errorf("got  %+v\nwant %d %s", got, c.status, c.want)
				}
			})
		}
	}
	if s.Started() != 10 || s.Finished() != 10 || s.ProbeCount() != 16 {
		t.Errorf("%d started, %d finished, %d probes; want 10, 10 and 16", s.Started(), s.Finished(), s.ProbeCount())
	}
}

func TestFaultsComeAndGoWhileItRuns(t *testing.T) {
	t.Parallel()
	status := func(want int) func(answer) bool {
		return func(a answer) bool { return a.err == nil && a.status == want }
	}
	body := func(want string) func(answer) bool {
		return func(a answer) bool { return a.err == nil && a.status == 200 && strings.Contains(a.body, want) }
	}
	fails := func(want error) func(answer) bool {
		return func(a answer) bool { return errors.Is(a.err, want) }
	}
	cases := map[string]struct {
		set, unset func(*Server)
		want       func(answer) bool
	}{
		"errors":       {func(s *Server) { s.SetErrors(1, 503) }, func(s *Server) { s.SetErrors(0, 503) }, status(503)},
		"resets":       {func(s *Server) { s.SetResetting(true) }, func(s *Server) { s.SetResetting(false) }, fails(syscall.ECONNRESET)},
		"not JSON":     {func(s *Server) { s.SetBroken(NotJSON) }, func(s *Server) { s.SetBroken(Whole) }, body("<html>")},
		"no outputs":   {func(s *Server) { s.SetBroken(NoOutputs) }, func(s *Server) { s.SetBroken(Whole) }, body(`{"ok":true}`)},
		"other tensor": {func(s *Server) { s.SetBroken(OtherTensor) }, func(s *Server) { s.SetBroken(Whole) }, body(`"name":"undeclared"`)},
		"a cut body": {func(s *Server) { s.SetBroken(CutBody) }, func(s *Server) { s.SetBroken(Whole) }, func(a answer) bool {
			return a.status == 200 && errors.Is(a.err, io.ErrUnexpectedEOF) && strings.HasPrefix(a.body, `{"outputs"`)
		}},
		"garbage": {func(s *Server) { s.SetBroken(Garbage) }, func(s *Server) { s.SetBroken(Whole) }, func(a answer) bool {
			return a.err != nil && strings.Contains(a.err.Error(), "malformed HTTP")
		}},
		"refusal": {func(s *Server) { _ = s.Refuse() }, func(s *Server) { _ = s.Accept() }, fails(syscall.ECONNREFUSED)},
		"other tensors": {
			func(s *Server) { s.SetTensors(nil, []Tensor{{"z", "BYTES", []int64{2}}, {"b", "BOOL", []int64{-1}}}) },
			func(s *Server) { s.SetTensors(s.opts.Inputs, s.opts.Outputs) },
			body(`"outputs":[{"data":["",""],"datatype":"BYTES","name":"z","shape":[2]},{"data":[false],"datatype":"BOOL","name":"b","shape":[1]}]`),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, Options{})
			for round := range 2 {
				if got := infer(t, s); got.err != nil || got.status != 200 || !strings.Contains(got.body, `"name":"y"`) {
					t.Fatalf("round %d, without the fault: %+v", round, got)
				}
				c.set(s)
				if got := infer(t, s); !c.want(got) {
					t.Fatalf("round %d, with the fault: %+v", round, got)
				}
				c.unset(s)
			}
		})
	}
}

func TestFaultsOfRequestsDoNotTouchProbes(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.SetErrors(1, 500)
	s.SetResetting(true)
	s.SetBroken(Garbage)
	s.SetHanging(true)
	s.SetLatency(time.Hour)
	if got := get(t, s, "/v2/health/ready"); got.err != nil || got.status != 200 {
		t.Errorf("readiness: %+v", got)
	}
	if got := get(t, s, "/v2/models/model"); got.err != nil || got.status != 200 {
		t.Errorf("metadata: %+v", got)
	}
}

func TestHealthCanBeBadWhileRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Probes: []string{"/healthz"}})
	s.SetReady(false)
	s.SetLive(false)
	for path, want := range map[string]string{
		"/v2/health/live": `{"live":false}`, "/v2/health/ready": `{"ready":false}`,
		"/v2/models/model/ready": `{"ready":false}`, "/healthz": `{"ready":false}`,
	} {
		if got := get(t, s, path); got.status != 503 || got.body != want {
			t.Errorf("%s: %+v, want 503 %s", path, got, want)
		}
	}
	if got := infer(t, s); got.status != 200 {
		t.Errorf("inference: %+v", got)
	}
	s.SetReady(true)
	if got := get(t, s, "/healthz"); got.status != 200 {
		t.Errorf("readiness once it is ready again: %+v", got)
	}
}

func TestMetadataTellTheTensorsOfTheMoment(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Inputs: []Tensor{{"a", "INT8", []int64{3}}}, Outputs: []Tensor{{"b", "FP64", []int64{-1}}}})
	if got := get(t, s, "/v2/models/model"); !strings.Contains(got.body, `"inputs":[{"name":"a","datatype":"INT8","shape":[3]}]`) {
		t.Errorf("declared: %s", got.body)
	}
	s.SetTensors([]Tensor{{"a", "INT16", []int64{3}}}, nil)
	if got := get(t, s, "/v2/models/model"); !strings.Contains(got.body, `"inputs":[{"name":"a","datatype":"INT16","shape":[3]}]`) {
		t.Errorf("changed: %s", got.body)
	}
}

func TestTheDataOfTensorsCanDifferByRequest(t *testing.T) {
	s := Start(t, Options{Outputs: []Tensor{{"y", "FP32", []int64{-1, 1}}, {"z", "INT64", []int64{2}}}})
	s.SetData(func(n uint64, tensor string) []any {
		if tensor == "z" {
			return nil
		}
		return []any{n, "x"}
	})
	for n := range 2 {
		want := fmt.Sprintf(`{"data":[%d,"x"],"datatype":"FP32","name":"y","shape":[2]},{"data":[0,0],"datatype":"INT64","name":"z","shape":[2]}`, n)
		if got := infer(t, s); !strings.Contains(got.body, want) {
			t.Errorf("answer %d: %s, want %s", n, got.body, want)
		}
	}
}

func TestAShareOfRequestsFailsAlwaysTheSameForASeed(t *testing.T) {
	t.Parallel()
	failures := func(seed uint64) (list []int) {
		var f faults
		f.init(Options{Seed: seed})
		f.errorShare = 0.3
		for n := range 2000 {
			if f.draw(uint64(n)).status == 500 {
				list = append(list, n)
			}
		}
		return list
	}
	one := failures(1)
	if len(one) < 500 || len(one) > 700 {
		t.Errorf("%d of 2000 failed, want about 600", len(one))
	}
	if diff := cmp.Diff(one, failures(1)); diff != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", diff)
	}
	if cmp.Equal(one, failures(2)) {
		t.Error("seeds 1 and 2 fail the same requests")
	}
}

func TestLatencyIsWaitedAndCanDifferByRequest(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.SetLatencyFunc(func(n uint64) time.Duration { return time.Duration(n) * 50 * time.Millisecond })
	for n := range 3 {
		before := time.Now()
		infer(t, s)
		if took, least := time.Since(before), time.Duration(n)*50*time.Millisecond; took < least {
			t.Errorf("request %d took %v, want at least %v", n, took, least)
		}
	}
}

func TestWhatHangsIsAnsweredWhenHangingEnds(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.SetHanging(true)
	s.SetHanging(true)
	s.SetProbesHanging(true)
	var group sync.WaitGroup
	group.Go(func() {
		if got := infer(t, s); got.status != 200 {
			t.Errorf("the request that hung got %+v", got)
		}
	})
	group.Go(func() {
		if got := get(t, s, "/v2/health/live"); got.status != 200 {
			t.Errorf("the probe that hung got %+v", got)
		}
	})
	eventually(t, "a request and a probe hang", func() bool { return s.Started() == 1 && s.ProbeCount() == 1 })
	if s.Finished() != 0 {
		t.Error("the request has ended although it hangs")
	}
	s.SetHanging(false)
	s.SetProbesHanging(false)
	group.Wait()
	if got := infer(t, s); got.status != 200 {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestACallerThatGivesUpEndsItsHangingRequest(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.SetHanging(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got := ask(ctx, newClient(t, false), "POST", s.InferURL(), question)
	if !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("got %+v, want the deadline", got)
	}
	eventually(t, "the request has ended", func() bool { return s.Finished() == 1 })
}

func TestAnHTTP2StreamIsResetWhereHTTP1LosesItsConnection(t *testing.T) {
	t.Parallel()
	s, client := Start(t, Options{}), newClient(t, true)
	for name, set := range map[string]func(){
		"reset": func() { s.SetResetting(true) }, "garbage": func() { s.SetResetting(false); s.SetBroken(Garbage) },
		"cut": func() { s.SetResetting(false); s.SetBroken(CutBody) },
	} {
		set()
		if got := ask(t.Context(), client, "POST", s.InferURL(), question); got.err == nil || !strings.Contains(got.err.Error(), "stream error") {
			t.Errorf("%s: got %+v, want a stream error", name, got)
		}
	}
}

func TestTheLastRequestAndTheTimesOfAllAreRemembered(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	if !s.LastStart().IsZero() || len(s.Starts()) != 0 || s.Last().Method != "" {
		t.Error("a fresh fake remembers requests")
	}
	before := time.Now()
	infer(t, s)
	between := time.Now()
	request, _ := http.NewRequestWithContext(t.Context(), "PUT", s.URL()+"/score?a=b", strings.NewReader("body"))
	request.Header.Set("X-User", "u1")
	request.Host = "models.example"
	response, err := newClient(t, false).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	after := time.Now()
	get(t, s, "/v2/health/live")

	starts := s.Starts()
	if len(starts) != 2 || starts[0].Before(before) || starts[0].After(between) || starts[1].Before(between) ||
		starts[1].After(after) || !s.LastStart().Equal(starts[1]) {
		t.Errorf("starts %v, last %v; want one on each side of %v", starts, s.LastStart(), between)
	}
	last := s.Last()
	if last.Method != "PUT" || last.Path != "/score?a=b" || last.Host != "models.example" || last.Proto != "HTTP/1.1" ||
		last.Header.Get("X-User") != "u1" || string(last.Body) != "body" || !last.At.Equal(starts[1]) {
		t.Errorf("last request: %+v", last)
	}
}

func TestTheMemoryOfStartsIsBounded(t *testing.T) {
	t.Parallel()
	s := &Server{}
	s.tally.base = time.Now()
	for range keptStarts + 10 {
		s.tally.start()
	}
	starts := s.Starts()
	if len(starts) != keptStarts || s.Started() != keptStarts+10 {
		t.Fatalf("%d starts kept of %d", len(starts), s.Started())
	}
	for i := range starts[1:] {
		if starts[i+1].Before(starts[i]) {
			t.Fatalf("start %d is before start %d", i+1, i)
		}
	}
	if !s.LastStart().Equal(starts[keptStarts-1]) {
		t.Errorf("last start %v, want %v", s.LastStart(), starts[keptStarts-1])
	}
}

func TestAHandlerAnswersPlainHTTP(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Version: "v9", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})})
	if got := get(t, s, "/any"); got != (answer{status: 418, version: "v9"}) {
		t.Errorf("got %+v, want 418 of v9", got)
	}
	s.SetErrors(1, 500)
	if got := get(t, s, "/any"); got.status != 500 {
		t.Errorf("with errors: %+v", got)
	}
}

func TestABodyOverTheBoundIsRefused(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	got := ask(t.Context(), newClient(t, false), "POST", s.InferURL(), strings.Repeat("x", maxBody+1))
	if got.err != nil || got.status != 413 {
		t.Errorf("got %d %v, want 413", got.status, got.err)
	}
}

func TestCloseIsBoundedWhateverHangs(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.SetHanging(true)
	s.SetProbesHanging(true)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got := infer(t, s); got.err == nil {
				t.Errorf("a hanging request got %+v from a closed server", got)
			}
		})
	}
	group.Go(func() { get(t, s, "/v2/health/live") })
	eventually(t, "all hang", func() bool { return s.Started() == 20 && s.ProbeCount() == 1 })
	before := time.Now()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(before); took > 2*time.Second {
		t.Errorf("close took %v", took)
	}
	group.Wait()
	if s.Finished() != 20 {
		t.Errorf("%d of 20 requests have ended", s.Finished())
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if err := s.Accept(); err == nil {
		t.Error("a closed server accepts connections again")
	}
}

func TestRefusingEndsConnectionsThatAreOpenAndKeepsTheAddress(t *testing.T) {
	t.Parallel()
	s, client := Start(t, Options{}), newClient(t, false)
	url := s.InferURL()
	for round := range 3 {
		if got := ask(t.Context(), client, "POST", url, question); got.status != 200 {
			t.Fatalf("round %d: %+v", round, got)
		}
		if err := errors.Join(s.Refuse(), s.Refuse()); err != nil {
			t.Fatal(err)
		}
		if got := ask(t.Context(), client, "POST", url, question); got.err == nil {
			t.Fatalf("round %d: got %+v over a connection that was open", round, got)
		}
		if got := infer(t, s); !errors.Is(got.err, syscall.ECONNREFUSED) {
			t.Fatalf("round %d: got %+v, want the connection refused", round, got)
		}
		if err := errors.Join(s.Accept(), s.Accept()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPortInUseIsAnError(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	if other, err := New(Options{Address: s.Addr()}); err == nil {
		t.Errorf("a second fake listens at %s: %v", other.Addr(), other.Close())
	}
}
