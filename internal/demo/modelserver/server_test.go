package modelserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// inkModel answers with the ink in the first pixel; it stands in for a network where the answer itself does not matter.
type inkModel struct{}

func (inkModel) Predict(pixels []float32) (int, [digits.Classes]float32) {
	var scores [digits.Classes]float32
	scores[0] = pixels[0]
	scores[9] = 0.5
	return int(pixels[0]), scores
}

func start(t testing.TB, change func(*Options)) *Server {
	t.Helper()
	opts := Options{Name: "digits", Version: "v1", Model: inkModel{}}
	if change != nil {
		change(&opts)
	}
	s, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// newClient is a client with connections of its own, which are closed with the test.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func do(t testing.TB, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return response.StatusCode, string(text)
}

// row is one row of 64 pixels of which the first is given.
func row(first string) string { return first + strings.Repeat(",0", digits.Pixels-1) }

// question is an inference request with the given shape and data.
func question(shape, data string) string {
	return fmt.Sprintf(`{"inputs":[{"name":"pixels","datatype":"FP32","shape":%s,"data":%s}]}`, shape, data)
}

var good = question("[1,64]", "["+row("7")+"]")

func TestEndpointsAnswerByTheProtocol(t *testing.T) {
	t.Parallel()
	s, client := start(t, nil), newClient(t)
	metadata := `{"name":"digits","versions":["v1"],"platform":"belay_demo",` +
		`"inputs":[{"name":"pixels","datatype":"FP32","shape":[-1,64]}],` +
		`"outputs":[{"name":"class","datatype":"INT64","shape":[-1]},{"name":"scores","datatype":"FP32","shape":[-1,10]}]}`
	answer := `{"model_name":"digits","model_version":"v1","outputs":[` +
		`{"name":"class","shape":[1],"datatype":"INT64","data":[7]},` +
		`{"name":"scores","shape":[1,10],"datatype":"FP32","data":[7,0,0,0,0,0,0,0,0,0.5]}]}`
	cases := map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"the server is live":         {"GET", "/v2/health/live", "", 200, `{"live":true}`},
		"the server is ready":        {"GET", "/v2/health/ready", "", 200, `{"ready":true}`},
		"the server tells its name":  {"GET", "/v2", "", 200, `{"name":"belay-demo-modelserver","version":"v1","extensions":[]}`},
		"the model tells its shape":  {"GET", "/v2/models/digits", "", 200, metadata},
		"so does its version":        {"GET", "/v2/models/digits/versions/v1", "", 200, metadata},
		"the model is ready":         {"GET", "/v2/models/digits/ready", "", 200, `{"name":"digits","ready":true}`},
		"its version is ready":       {"GET", "/v2/models/digits/versions/v1/ready", "", 200, `{"name":"digits","ready":true}`},
		"HEAD is as good as GET":     {"HEAD", "/v2/health/ready", "", 200, ""},
		"the model answers":          {"POST", "/v2/models/digits/infer", good, 200, answer},
		"its version answers":        {"POST", "/v2/models/digits/versions/v1/infer", good, 200, answer},
		"another model is unknown":   {"POST", "/v2/models/other/infer", good, 404, `{"error":"nothing is served at \"/v2/models/other/infer\""}`},
		"a longer name is unknown":   {"GET", "/v2/models/digits2", "", 404, `{"error":"nothing is served at \"/v2/models/digits2\""}`},
		"another version is unknown": {"GET", "/v2/models/digits/versions/v10", "", 404, `{"error":"nothing is served at \"/v2/models/digits/versions/v10\""}`},
		"another path is unknown":    {"GET", "/metrics", "", 404, `{"error":"nothing is served at \"/metrics\""}`},
		"inference wants POST":       {"GET", "/v2/models/digits/infer", "", 405, `{"error":"inference wants POST, not GET"}`},
		"health wants GET":           {"POST", "/v2/health/live", "", 405, `{"error":"\"/v2/health/live\" wants GET, not POST"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, text := do(t, client, c.method, s.URL()+c.path, c.body)
			if status != c.status || text != c.want {
				t.Errorf("got %d %s\nwant %d %s", status, text, c.status, c.want)
			}
		})
	}
}

func TestGoodTensorsOfEveryFormAreAnswered(t *testing.T) {
	t.Parallel()
	s, client := start(t, nil), newClient(t)
	classes := func(list string) string { return `"INT64","data":[` + list + `]` }
	cases := map[string]struct{ body, want string }{
		"flat data":         {question("[2,64]", "["+row("3")+","+row("4")+"]"), classes("3,4")},
		"nested data":       {question("[2,64]", "[["+row("3")+"],["+row("4")+"]]"), classes("3,4")},
		"data with spaces":  {question("[ 1 , 64 ]", "[ \n"+strings.ReplaceAll(row("5"), ",", " ,\t")+" ]"), classes("5")},
		"exponents":         {question("[1,64]", "["+row("60e-1")+"]"), classes("6")},
		"an id comes back":  {`{"id":"a \"b\"",` + good[1:], `"id":"a \"b\"",`},
		"parameters":        {`{"parameters":{"x":[1]},` + good[1:], classes("7")},
		"one output only":   {good[:len(good)-1] + `,"outputs":[{"name":"class"}]}`, `"outputs":[{"name":"class","shape":[1],"datatype":"INT64","data":[7]}]}`},
		"outputs in order":  {good[:len(good)-1] + `,"outputs":[{"name":"scores"},{"name":"class"}]}`, `0.5]},{"name":"class"`},
		"the most rows":     {question("[256,64]", "["+strings.Repeat(row("1")+",", 255)+row("1")+"]"), `"shape":[256]`},
		"scores of two":     {question("[2,64]", "["+row("3")+","+row("4")+"]"), `"shape":[2,10],"datatype":"FP32","data":[3,0,0,0,0,0,0,0,0,0.5,4,0`},
		"negative is valid": {question("[1,64]", "["+row("-0")+"]"), classes("0")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", c.body)
			if status != 200 || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s\nwant 200 with %s", status, text, c.want)
			}
		})
	}
}

func TestBadRequestsAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s, client := start(t, nil), newClient(t)
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	cases := map[string]struct {
		body   string
		status int
		want   string
	}{
		"no body":              {"", 400, "not an inference request"},
		"broken JSON":          {good[:len(good)-2], 400, "not an inference request"},
		"more behind the JSON": {good + "x", 400, "not an inference request"},
		"no inputs":            {`{}`, 400, "0 inputs given"},
		"two inputs":           {`{"inputs":[{},{}]}`, 400, "2 inputs given"},
		"another tensor":       {with(`"pixels"`, `"picture"`), 400, `no input is named \"picture\"`},
		"another type":         {with("FP32", "INT64"), 400, `datatype \"INT64\"`},
		"another shape":        {with("[1,64]", "[1,8,8]"), 400, "shape [1 8 8]"},
		"a negative shape":     {with("[1,64]", "[-1,64]"), 400, "shape [-1 64]"},
		"no rows":              {question("[0,64]", "[]"), 400, "shape [0 64]"},
		"too many rows":        {with("[1,64]", "[257,64]"), 400, "257 rows"},
		"a number too few":     {question("[1,64]", "[1"+strings.Repeat(",0", 62)+"]"), 400, "63 numbers of data, shape says 64"},
		"a number too many":    {question("[1,64]", "["+row("1")+",1]"), 400, "more than 64 numbers"},
		"a row too few":        {question("[2,64]", "[["+row("1")+"]]"), 400, "1 rows of data, shape says 2"},
		"a row too many":       {question("[1,64]", "[["+row("1")+"],["+row("1")+"]]"), 400, "more than 1 rows"},
		"a short row":          {question("[2,64]", "[["+row("1")+"],[1]]"), 400, "row 1: 1 numbers"},
		"empty data":           {question("[1,64]", "[]"), 400, "0 numbers of data"},
		"data that is missing": {`{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,64]}]}`, 400, "data is not an array"},
		"data that is text":    {question("[1,64]", `"1,2"`), 400, "data is not an array"},
		"text among numbers":   {question("[1,64]", "["+row(`"1"`)+"]"), 400, "number 0: not a number"},
		"null among numbers":   {question("[1,64]", "["+row("null")+"]"), 400, "number 0: not a number"},
		"out of range":         {question("[1,64]", "["+row("1e39")+"]"), 400, "1e39 is no FP32"},
		"an unknown output":    {good[:len(good)-1] + `,"outputs":[{"name":"probability"}]}`, 400, `no output is named \"probability\"`},
		"too many outputs":     {good[:len(good)-1] + `,"outputs":[{"name":"class"},{"name":"class"},{"name":"class"}]}`, 400, "3 outputs asked for"},
		"a body too large":     {good + strings.Repeat(" ", maxBody), 413, "larger than 1048576 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", c.body)
			if status != c.status || !strings.HasPrefix(text, `{"error":"`) || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s\nwant %d with %s", status, text, c.status, c.want)
			}
		})
	}
	if c := s.Counts(); c.Refused != uint64(len(cases)) || c.Started != c.Refused || c.Finished != c.Refused {
		t.Errorf("counts %+v, want %d started, finished and refused", c, len(cases))
	}
}

func TestServedAnswersAreTheNetworksOwn(t *testing.T) {
	t.Parallel()
	split, err := digits.NewSplit(1)
	if err != nil {
		t.Fatal(err)
	}
	net, err := digits.Train(t.Context(), digits.Options{Digits: split.Training, Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, client := start(t, func(o *Options) { o.Model = net }), newClient(t)
	for _, digit := range split.HeldOut[:50] {
		data := strings.ReplaceAll(fmt.Sprint(digit.Pixels), " ", ",")
		status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", question("[1,64]", data))
		class, scores := net.Predict(digit.Pixels)
		wantClass := fmt.Sprintf(`"INT64","data":[%d]`, class)
		wantScores := strings.ReplaceAll(fmt.Sprintf(`"FP32","data":%v`, scores), " ", ",")
		if status != 200 || !strings.Contains(text, wantClass) || !strings.Contains(text, wantScores) {
			t.Fatalf("got %d %s\nwant %s and %s", status, text, wantClass, wantScores)
		}
	}
}

func TestTheServiceTimeIsReallyWaited(t *testing.T) {
	t.Parallel()
	behaviour := Behaviour{Median: 20 * time.Millisecond, Sigma: 0.1, Seed: 4}
	s, client := start(t, func(o *Options) { o.Behaviour = behaviour }), newClient(t)
	for n := range uint64(5) {
		before := time.Now()
		do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good)
		if took, want := time.Since(before), behaviour.draw(n).service; took < want {
			t.Errorf("request %d took %v, its service time was drawn as %v", n, took, want)
		}
	}
}

func TestTheDeclaredShareOfRequestsFails(t *testing.T) {
	t.Parallel()
	s, client := start(t, func(o *Options) { o.Behaviour = Behaviour{FailShare: 0.08, Seed: 5} }), newClient(t)
	const n = 1000
	failed, drawn := 0, 0
	for i := range uint64(n) {
		status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good)
		if status == 500 && text == `{"error":"the model failed"}` {
			failed++
		} else if status != 200 {
			t.Fatalf("got %d %s", status, text)
		}
		if s.opts.Behaviour.draw(i).fail {
			drawn++
		}
	}
	if share := float64(failed) / n; math.Abs(share-0.08) > 0.03 || failed != drawn {
		t.Errorf("%d of %d failed, %d were drawn to fail", failed, n, drawn)
	}
	if c := s.Counts(); c.Failed != uint64(failed) || c.Started != n || c.Finished != n || c.Refused != 0 {
		t.Errorf("counts %+v, want %d failed of %d", c, failed, n)
	}
}

func TestCountsSayWhenTheLastRequestStarted(t *testing.T) {
	t.Parallel()
	s, client := start(t, nil), newClient(t)
	if c := s.Counts(); c != (Counts{}) {
		t.Fatalf("counts before any request: %+v", c)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good) })
	}
	group.Wait()
	before := time.Now()
	do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good)
	after := time.Now()
	do(t, client, "GET", s.URL()+"/v2/health/ready", "") // Not inference, so not counted.
	c := s.Counts()
	if c.Started != 9 || c.Finished != 9 || c.LastStart.Before(before) || c.LastStart.After(after) {
		t.Errorf("counts %+v, want 9 and a last start between %v and %v", c, before, after)
	}
}

func TestManyRequestsAtOnceShareNoMemory(t *testing.T) {
	t.Parallel()
	s, client := start(t, func(o *Options) { o.Behaviour = Behaviour{Median: time.Millisecond, Sigma: 0.5} }), newClient(t)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			digit := fmt.Sprint(worker % 10)
			for range 50 {
				_, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", question("[1,64]", "["+row(digit)+"]"))
				if want := `"INT64","data":[` + digit + `]`; !strings.Contains(text, want) {
					t.Errorf("asked for %s, got %s", digit, text)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestRequestsOverTheLimitAreRefusedAndTheOthersAnswered(t *testing.T) {
	t.Parallel()
	s, client := start(t, nil), newClient(t)
	s.meter.underWay.Store(maxUnderWay) // As if so many were under way.
	status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good)
	if want := `{"error":"more than 1024 requests are under way"}`; status != 503 || text != want {
		t.Errorf("got %d %s\nwant 503 %s", status, text, want)
	}
	s.meter.underWay.Store(0)
	if status, text := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good); status != 200 {
		t.Errorf("afterwards got %d %s", status, text)
	}
	if c := s.Counts(); c.Refused != 1 || c.Started != 2 || s.meter.underWay.Load() != 0 {
		t.Errorf("counts %+v with %d under way", c, s.meter.underWay.Load())
	}
}

func TestAServerThatIsClosingSaysThatItIsNotReady(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.closing.Store(true)
	t.Cleanup(func() { s.closing.Store(false) }) // Runs before the server is closed.
	client := newClient(t)
	for path, want := range map[string]string{
		"/v2/health/ready": `{"ready":false}`, "/v2/models/digits/ready": `{"name":"digits","ready":false}`,
	} {
		if status, text := do(t, client, "GET", s.URL()+path, ""); status != 503 || text != want {
			t.Errorf("%s: got %d %s, want 503 %s", path, status, text, want)
		}
	}
	if status, _ := do(t, client, "GET", s.URL()+"/v2/health/live", ""); status != 200 {
		t.Errorf("it is not live: %d", status)
	}
}

func TestCloseLetsRequestsUnderWayFinish(t *testing.T) {
	t.Parallel()
	s, client := start(t, func(o *Options) { o.Behaviour.Median = 200 * time.Millisecond }), newClient(t)
	status := make(chan int, 1)
	go func() {
		got, _ := do(t, client, "POST", s.URL()+"/v2/models/digits/infer", good)
		status <- got
	}()
	for s.Counts().Started == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if got := <-status; got != 200 {
		t.Errorf("the request under way got %d, want 200", got)
	}
}

func TestCloseIsBoundedAndEndsWhatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *Options) { o.Behaviour.Median, o.Grace = time.Hour, 50*time.Millisecond })
	failed := make(chan error, 1)
	go func() {
		request, _ := http.NewRequestWithContext(context.Background(), "POST", s.URL()+"/v2/models/digits/infer", strings.NewReader(good))
		response, err := newClient(t).Do(request)
		if err == nil {
			err = errors.Join(errors.New("answered"), response.Body.Close())
		}
		failed <- err
	}()
	for s.Counts().Started == 0 {
		time.Sleep(time.Millisecond)
	}
	before := time.Now()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("close took %v", took)
	}
	if err := <-failed; err == nil || err.Error() == "answered" {
		t.Errorf("the hanging request got %v, want it cut off", err)
	}
	if c := s.Counts(); c.Finished != c.Started {
		t.Errorf("after close %d of %d requests have finished", c.Finished, c.Started)
	}
}

func TestACallerThatGoesAwayIsNeverAnsweredWithAnEmpty200(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *Options) { o.Behaviour.Median = time.Hour })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(good), good)
	for s.Counts().Started == 0 {
		time.Sleep(time.Millisecond)
	}
	// Closing one half looks to the server like a caller that has gone, and lets the test read what it still sends.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(conn); len(text) != 0 {
		t.Errorf("got %q, want nothing", text)
	}
	if c := s.Counts(); c.Finished != 1 {
		t.Errorf("counts %+v, want the request finished", c)
	}
}

func TestAServerThatIsClosedCanBeClosedAgainAndAnswersNothing(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	request, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/v2/health/live", nil)
	if response, err := newClient(t).Do(request); err == nil {
		response.Body.Close()
		t.Errorf("a closed server answered %d", response.StatusCode)
	}
}

func TestStartRefusesWhatCannotBeServed(t *testing.T) {
	t.Parallel()
	taken := start(t, nil)
	cases := map[string]struct {
		opts Options
		want string
	}{
		"no name":         {Options{Version: "v1", Model: inkModel{}}, "name, version and model"},
		"no version":      {Options{Name: "m", Model: inkModel{}}, "name, version and model"},
		"no model":        {Options{Name: "m", Version: "v1"}, "name, version and model"},
		"a bad behaviour": {Options{Name: "m", Version: "v1", Model: inkModel{}, Behaviour: Behaviour{FailShare: 2}}, "fail share 2"},
		"a port in use": {
			Options{Name: "m", Version: "v1", Model: inkModel{}, Address: strings.TrimPrefix(taken.URL(), "http://")},
			"address already in use",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Start(t.Context(), c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func BenchmarkInfer(b *testing.B) {
	s, client := start(b, nil), newClient(b)
	url := s.URL() + "/v2/models/digits/infer"
	b.ReportAllocs()
	for b.Loop() {
		do(b, client, "POST", url, good)
	}
}
