package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryRequestNamesItsUserInHeadAndBody(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		request []byte
		path    string
		pointer string
	}{
		"an inference": {Request("user-42"), Path, UserPointer},
		"a stream":     {StreamRequest("user-42"), StreamPath, StreamUserPointer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(tt.request)))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r.Body)
			if err != nil || r.URL.Path != tt.path || r.Header.Get(UserHeader) != "user-42" {
				t.Errorf("%s by %q, %v", r.URL.Path, r.Header.Get(UserHeader), err)
			}
			var value any
			if err := json.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			for step := range strings.SplitSeq(tt.pointer[1:], "/") {
				fields, _ := value.(map[string]any)
				value = fields[step]
			}
			if value != "user-42" {
				t.Errorf("the body names %v", value)
			}
		})
	}
	if n := len(body(User(1))); n < 400 || n > 500 {
		t.Errorf("a body has %d bytes", n)
	}
}

func TestUsersAreDifferentAndComeBack(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range Users {
		seen[User(i)] = true
	}
	if len(seen) != Users || User(Users) != User(0) {
		t.Errorf("%d users, the next is %s", len(seen), User(Users))
	}
}

func TestTheScriptSendsTheSameBody(t *testing.T) {
	t.Parallel()
	script := Script()
	start, end, _ := strings.Cut(body("@"), "@")
	for _, want := range []string{"'" + start + "' .. user .. '" + end + "'", `["X-User-Id"] = user`, Path, "(k - 1) * 7919", "for k = 1, 4096 do"} {
		if !strings.Contains(script, want) {
			t.Errorf("the script lacks %s:\n%s", want, script)
		}
	}
}

func TestAnswersAreReadWhenTheyAreWhole(t *testing.T) {
	t.Parallel()
	const json = `{"arm":"b"}`
	tests := map[string]struct {
		text string
		want answer
	}{
		"by its length":     {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + json, answer{true, true, true}},
		"in small letters":  {"HTTP/1.1 200 OK\r\ncontent-length:11\r\nX: y\r\n\r\n" + json, answer{true, true, true}},
		"in chunks":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + json + "\r\n0\r\n\r\n", answer{true, true, true}},
		"of the baseline":   {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + `{"arm":"a"}`, answer{ok: true, model: true}},
		"that is a failure": {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", answer{}},
		"by nobody's model": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", answer{ok: true}},
		"without a reason":  {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", answer{ok: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range len(tt.text) {
				if got, whole := parse([]byte(tt.text[:n])); whole {
					t.Fatalf("whole after %d of %d bytes: %+v", n, len(tt.text), got)
				}
			}
			if got, whole := parse([]byte(tt.text)); !whole || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, whole, tt.want)
			}
		})
	}
}

func TestOnlyAPostAsksForAStream(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text          string
		stream, whole bool
	}{
		"a probe":              {"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n", false, true},
		"a post":               {"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", true, true},
		"a post in chunks":     {"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", true, true},
		"half a post":          {"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{", true, false},
		"half a chunk":         {"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{", true, false},
		"half a head":          {"POST /x HTTP/1.1\r\nContent", false, false},
		"a stream's own words": {string(StreamRequest("u")), true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if stream, whole := request([]byte(tt.text)); stream != tt.stream || whole != tt.whole {
				t.Errorf("a stream %v, whole %v", stream, whole)
			}
		})
	}
}

func TestQuantilesAreValuesThatOccurred(t *testing.T) {
	t.Parallel()
	thousand := make([]int64, 1000)
	for i := range thousand {
		thousand[i] = int64(1000 - i)
	}
	tests := map[string]struct {
		values []int64
		want   Summary
	}{
		"none":     {nil, Summary{}},
		"one":      {[]int64{7}, Summary{1, 7, 7, 7, 7, 7, 7}},
		"two":      {[]int64{9, 1}, Summary{2, 5, 1, 9, 9, 9, 9}},
		"thousand": {thousand, Summary{1000, 500, 500, 900, 990, 999, 1000}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Summarise(tt.values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGapsBetweenArrivalsAreExponential(t *testing.T) {
	t.Parallel()
	const n, rate = 100_000, 2000.0
	a := newArrivals(rate, 1)
	var last time.Duration
	var sum, squares float64
	short := 0
	for range n {
		gap := (a.next() - last).Seconds()
		if gap < 0 {
			t.Fatal("time goes back")
		}
		last = a.next()
		sum, squares = sum+gap, squares+gap*gap
		if gap < math.Ln2/rate {
			short++
		}
		a.step()
	}
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	// An exponential distribution has a mean of 1/rate, the same deviation and a
	// median of ln 2 / rate; 100,000 gaps show each to about 1 %.
	if math.Abs(mean*rate-1) > 0.02 || math.Abs(deviation*rate-1) > 0.03 || math.Abs(float64(short)/n-0.5) > 0.01 {
		t.Errorf("mean %v, deviation %v, below the median %d of %d", mean, deviation, short, n)
	}
	if b, c := newArrivals(rate, 2), newArrivals(rate, 2); b.next() != c.next() || b.next() == newArrivals(rate, 3).next() {
		t.Error("the seed does not decide")
	}
}

func TestMarksAreFoundWhereverTheyAreCut(t *testing.T) {
	t.Parallel()
	text := appendEvent(appendEvent([]byte("HTTP/1.1 200 OK\r\n\r\n"), 1234567890123), 42)
	for size := 1; size <= len(text); size++ {
		m := marks{digits: -1}
		var got []int64
		for at := 0; at < len(text); at += size {
			m.read(text[at:min(at+size, len(text))], func(at int64) { got = append(got, at) })
		}
		if diff := cmp.Diff([]int64{1234567890123, 42}, got); diff != "" {
			t.Fatalf("in pieces of %d bytes (-want +got):\n%s", size, diff)
		}
	}
}

func TestAMarkThatSomethingWasPutIntoIsPassedOver(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the size of a chunk": "@0000000000\r\n1a\r\n0000000042#", "too few digits": "@42#", "too many": "@000000000000000000000042#", "no end": "@00000000000000000042x",
	} {
		m := marks{digits: -1}
		m.read([]byte(text), func(at int64) { t.Errorf("%s: found %d", name, at) })
		found := 0
		m.read(appendEvent(nil, 7), func(int64) { found++ })
		if found != 1 {
			t.Errorf("%s: the mark after it was found %d times", name, found)
		}
	}
}

func TestAnEventIsAChunkOfAStream(t *testing.T) {
	t.Parallel()
	text := append([]byte(streamHead), appendEvent(nil, 1)...)
	text = append(text, "0\r\n\r\n"...)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	event, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	data, found := strings.CutPrefix(string(event), "data: ")
	if !found || !json.Valid([]byte(data)) || !strings.HasSuffix(data, "\n\n") {
		t.Errorf("no event: %q", event)
	}
}

const wrkSaid = `Running 2s test @ http://127.0.0.1:9001
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   388.49us  179.50us   5.83ms   90.33%
    Req/Sec   166.92k     4.59k  172.36k    90.48%
  Latency Distribution
     50%  360.00us
     75%  401.00us
     90%  471.00us
     99%    1.09ms
  348735 requests in 2.10s, 108.08MB read
Requests/sec: 166068.86
Transfer/sec:     51.47MB
`

func TestWhatWrkSaysIsRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want Saturation
	}{
		"all is well": {wrkSaid, Saturation{348735, 2100 * time.Millisecond, 0, 360 * time.Microsecond, 1090 * time.Microsecond}},
		"failures are summed up": {
			wrkSaid + "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n",
			Saturation{348735, 2100 * time.Millisecond, 54321, 360 * time.Microsecond, 1090 * time.Microsecond},
		},
		"a minute": {"  7 requests in 1.02m, 3MB read\n", Saturation{Requests: 7, Took: 61200 * time.Millisecond}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseWrk(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, err := ParseWrk("unable to connect to 127.0.0.1:1 Connection refused\n"); err == nil || !strings.Contains(err.Error(), "Connection refused") {
		t.Errorf("a refusal is read as %+v, %v", got, err)
	}
}

func TestWrkRunsForWholeSecondsWithOneThread(t *testing.T) {
	t.Parallel()
	got := strings.Join(WrkArgs("127.0.0.1:80", "s.lua", 64, 2500*time.Millisecond), " ")
	if want := "-t1 -c64 -d2s --latency -s s.lua http://127.0.0.1:80"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := WrkArgs("a", "s", 1, time.Millisecond); got[2] != "-d1s" {
		t.Errorf("a short one takes %s", got[2])
	}
}
