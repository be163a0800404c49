package scrape_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belay-rollouts/belay/internal/adapter/scrape"
	"github.com/belay-rollouts/belay/internal/core/query"
)

// serve runs a server with one handler.
func serve(tb testing.TB, h http.HandlerFunc) string {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return s.URL + "/metrics"
}

// says runs a server with one page.
func says(tb testing.TB, contentType, body string) string {
	tb.Helper()
	return serve(tb, func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		} else {
			w.Header()["Content-Type"] = nil
		}
		fmt.Fprint(w, body)
	})
}

func selectors(tb testing.TB, texts ...string) []query.Selector {
	tb.Helper()
	var out []query.Selector
	for _, text := range texts {
		q, err := query.Parse(text)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, q.Selectors()...)
	}
	return out
}

// read reads a page with ample time.
func read(tb testing.TB, address string, texts ...string) (query.Page, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	return source(tb).Read(ctx, address, selectors(tb, texts...))
}

const text = "text/plain; version=0.0.4; charset=utf-8"

func TestPagesOfEveryFormAreRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		contentType, page string
		want              []query.Point
	}{
		"the text format": {
			text, "# HELP a Help.\n# TYPE a gauge\na{x=\"1\"} 2\na{x=\"2\"} 3\nb 4\n",
			[]query.Point{{Key: `a{x="1"}`, Value: 2}, {Key: `a{x="2"}`, Value: 3}},
		},
		"with timestamps": {text, "a 2 1700000000000\n", []query.Point{{Key: "a{}", Value: 2}}},
		"OpenMetrics with exemplars and its end": {
			"application/openmetrics-text; version=1.0.0; charset=utf-8",
			"# TYPE b histogram\n# UNIT b seconds\nb_bucket{le=\"1.0\"} 5 # {trace_id=\"x} y\"} 0.5 1.5\n# TYPE a counter\na 7 1700000000.123 # {id=\"1\"} 1\n# EOF\n",
			[]query.Point{{Key: "a{}", Value: 7}},
		},
		"without a type":                     {"", "a 1\n", []query.Point{{Key: "a{}", Value: 1}}},
		"with a type that is wrong":          {"text/css", "a 1\n", []query.Point{{Key: "a{}", Value: 1}}},
		"with the line ends of others":       {text, "b 2\r\na 1\r\n", []query.Point{{Key: "a{}", Value: 1}}},
		"with tabs and spaces":               {text, "  a\t{x=\"1\"}\t1\t17\n", []query.Point{{Key: `a{x="1"}`, Value: 1}}},
		"with a comma behind the last label": {text, "a{x=\"1\",} 1\n", []query.Point{{Key: `a{x="1"}`, Value: 1}}},
		"with labels that look like values":  {text, "a{x=\"} 5\\\"}\"} 1\n", []query.Point{{Key: `a{x="} 5\"}"}`, Value: 1}}},
		"with names in quotes beside":        {text, "{\"http.requests\",code=\"200\"} 5\na 1\n", []query.Point{{Key: "a{}", Value: 1}}},
		"with broken lines of other names":   {text, "b one\nb{ 3\na 1\n", []query.Point{{Key: "a{}", Value: 1}}},
		"without anything":                   {text, "", []query.Point{}},
		"of comments alone":                  {text, "# nothing\n\n#\n", []query.Point{}},
		"of another type than its name says": {
			text, "# TYPE a counter\na{x=\"1\"} 2\n# TYPE a gauge\n", []query.Point{{Key: `a{x="1"}`, Value: 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := read(t, says(t, tt.contentType, tt.page), "a")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(query.Page{tt.want}, page); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoPageOfMetricsSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ contentType, page, want string }{
		"HTML by its type":     {"text/html; charset=utf-8", "a 1\n", "it answers HTML, not metrics: write the address of the metrics page"},
		"HTML by its look":     {text, "\n  <!doctype html><p>a 1</p>\n", "it answers HTML, not metrics: write the address of the metrics page"},
		"JSON":                 {"application/json", `{"a": 1}`, "it answers application/json, not metrics in text"},
		"JSON without a type":  {"", "{\n  \"a\": 1\n}\n", "line 1 of its page is no metric: {"},
		"protocol buffers":     {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", "\x01", "it answers application/vnd.google.protobuf, not metrics in text"},
		"an image":             {"image/png", "\x89PNG", "it answers image/png, not metrics in text"},
		"bytes":                {"", "a 1\n\x00\x01\x02\n", "line 2 of its page is no metric:    "},
		"a value that is none": {text, "b 1\n\na one\n", `line 3 of its page cannot be read: expected float as value, got "one"`},
		"no value":             {text, "a\n", "line 1 of its page is no metric: a"},
		"no value but labels":  {text, "a{x=\"1\"}\n", `line 1 of its page is no metric: a{x="1"}`},
		"labels without end":   {text, "a{x=\"1 2\n", `line 1 of its page is no metric: a{x="1 2`},
		"labels without quotes": {
			text, "b 1\na{x=1} 2\n", `line 2 of its page cannot be read: expected '"' at start of label value, found '1'`,
		},
		"an end that is missing":       {text, "b 2\na 1", "its answer breaks off"},
		"one series twice":             {text, "a{x=\"1\"} 1\na{x=\"1\"} 2\n", `its page has one series twice: a{x="1"}`},
		"one label twice in a series":  {text, "a{x=\"1\",x=\"2\"} 1\n", "line 1 of its page cannot be read: duplicate label names for metric \"a\""},
		"a line that is far too long":  {text, "b 1\n" + strings.Repeat("x", 1<<20+1) + "\n", "line 2 of its page has more than 1 MiB"},
		"a page that is too long":      {text, strings.Repeat(filler, scrape.MaxBody/len(filler)+1), "its page has more than 16 MiB"},
		"more series than can be used": {text, flood(scrape.MaxSeries + 1), "more than 10000 of its series are selected: select fewer by their labels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := read(t, says(t, tt.contentType, tt.page), "a")
			if err == nil {
				t.Fatalf("read %v", page)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// filler is a line of a kibibyte that says nothing.
var filler = "# " + strings.Repeat("x", 1021) + "\n"

// flood are many series of one name.
func flood(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a{x=\"%d\"} 1\n", i)
	}
	return b.String()
}

func TestAPageMayBeAsLongAsItsBounds(t *testing.T) {
	t.Parallel()
	page, err := read(t, says(t, text, flood(scrape.MaxSeries)), "a", `a{x="7"}`)
	if err != nil || len(page[0]) != scrape.MaxSeries || len(page[1]) != 1 {
		t.Errorf("%d series were read: %v", len(page), err)
	}
	exact := strings.Repeat(filler, scrape.MaxBody/len(filler)-1) + "a 1\n" + filler[:len(filler)-5] + "\n"
	if page, err = read(t, says(t, text, exact), "a"); err != nil || len(page[0]) != 1 {
		t.Errorf("a page of exactly %d bytes: %v, %v", len(exact), page, err)
	}
}

// zipped writes gzip.
func zipped(body string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, body)
	_ = z.Close()
	return b.Bytes()
}

func TestCompressedPages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		encoding string
		body     []byte
		want     string // an error; none when empty
	}{
		"gzip":                                  {"gzip", zipped("a 1\n"), ""},
		"no compression by its name":            {"identity", []byte("a 1\n"), ""},
		"gzip that is none":                     {"gzip", []byte("a 1\na 1\na 1\n"), "its answer is no gzip, as it says: gzip: invalid header"},
		"gzip that breaks off":                  {"gzip", zipped("a 1\n" + flood(100))[:100], "its answer breaks off"},
		"gzip of next to nothing that is large": {"gzip", zipped(strings.Repeat(filler, 20<<10)), "its page has more than 16 MiB"},
		"what was not asked for":                {"br", []byte("?"), "its answer is compressed in a way that was not asked for: br"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := read(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "gzip" {
					t.Errorf("asked for the encodings %q", r.Header.Get("Accept-Encoding"))
				}
				w.Header().Set("Content-Type", text)
				w.Header().Set("Content-Encoding", tt.encoding)
				_, _ = w.Write(tt.body)
			}), "a")
			switch {
			case tt.want == "" && (err != nil || len(page[0]) != 1):
				t.Errorf("read %v, %v", page, err)
			case tt.want != "" && (err == nil || err.Error() != tt.want):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	other := says(t, text, "a 1\n")
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found":     {http.NotFound, "it answers 404 Not Found"},
		"no permission": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "it answers 401 Unauthorized"},
		"no content":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "it answers 204 No Content"},
		"sends readers on": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) },
			"it sends readers on (302 Found) to " + other + ": write that address",
		},
		"cuts the connection": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "it closed the connection without an answer",
		},
		"says more than it sends": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "a 1\n")
			}, "its answer breaks off",
		},
		"floods headers": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Flood", strings.Repeat("x", 1<<20))
			}, "net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 65536 bytes; aborted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := read(t, serve(t, tt.handler), "a")
			if err == nil || err.Error() != tt.want {
				t.Errorf("read %v, %v, want %s", page, err, tt.want)
			}
		})
	}
}

// A server that sends for ever ends at the bound of the page, and one that
// trickles ends with its time.
func TestServersThatNeverEnd(t *testing.T) {
	t.Parallel()
	t.Run("flood", func(t *testing.T) {
		t.Parallel()
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			line := []byte(strings.Repeat(filler, 4))
			for r.Context().Err() == nil {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		})
		if page, err := read(t, address, "a"); err == nil || err.Error() != "its page has more than 16 MiB" {
			t.Errorf("read %v, %v", page, err)
		}
	})
	t.Run("trickle", func(t *testing.T) {
		t.Parallel()
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "a 1")
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if page, err := source(t).Read(ctx, address, selectors(t, "a")); err == nil || err.Error() != "it did not answer in time" {
			t.Errorf("read %v, %v", page, err)
		}
	})
	t.Run("given up", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		if page, err := source(t).Read(ctx, address, selectors(t, "a")); err == nil || err.Error() != "the reading was given up" {
			t.Errorf("read %v, %v", page, err)
		}
	})
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:9000", "ftp://localhost/metrics", "http://[::1/metrics", "http://127.0.0.1:1/metrics"} {
		page, err := read(t, address, "a")
		if err == nil {
			t.Errorf("read %v from %q", page, address)
		}
	}
}

// What the library of Go and its collectors write is what most model servers of
// this world write.
func TestTheMetricsOfARealProcess(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests."}, []string{"code"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "request_seconds", Help: "Time."})
	quantiles := prometheus.NewSummary(prometheus.SummaryOpts{Name: "queue_seconds", Help: "Time.", Objectives: map[float64]float64{0.5: 0.05}})
	registry.MustRegister(requests, seconds, quantiles, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	web := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(web.Close)

	get := func(text string) []query.Point {
		t.Helper()
		page, err := read(t, web.URL, text)
		if err != nil {
			t.Fatal(err)
		}
		return page[0]
	}
	if points := get("http_requests_total"); len(points) != 0 {
		t.Errorf("no request was counted, and there are %v", points)
	}
	requests.WithLabelValues("200").Add(7)
	requests.WithLabelValues("500").Add(2)
	seconds.Observe(0.2)
	seconds.Observe(3)
	quantiles.Observe(1)
	for text, want := range map[string]float64{
		`http_requests_total{code=~"5.."}`: 2, "request_seconds_count": 2, "request_seconds_sum": 3.2,
		`request_seconds_bucket{le="0.25"}`: 1, "queue_seconds_count": 1, `queue_seconds{quantile="0.5"}`: 1,
	} {
		if points := get(text); len(points) != 1 || points[0].Value != want {
			t.Errorf("%s is %v, want %v", text, points, want)
		}
	}
	if points := get("go_goroutines"); len(points) != 1 || points[0].Value < 2 {
		t.Errorf("go_goroutines is %v", points)
	}
}

func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		"a 1\n", "a{x=\"1\"} 2 # {y=\"z\"} 3\n", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\n", "<html>", "a{", "a{x=\"\\", "{\"a\"} 1\n", "a NaN\na{b=\"c\"} -Inf\n",
	} {
		f.Add(seed)
	}
	want := selectors(f, "a", `a{x=~".*1"}`, "a_bucket")
	f.Fuzz(func(t *testing.T, body string) {
		page, err := scrape.Parse(strings.NewReader(body), want)
		if err == nil && len(page) != len(want) {
			t.Errorf("%q gives %d lists", body, len(page))
		}
		for _, list := range page {
			seen := map[string]bool{}
			for _, p := range list {
				if seen[p.Key] {
					t.Errorf("%q gives %s twice", body, p.Key)
				}
				seen[p.Key] = true
			}
		}
	})
}
