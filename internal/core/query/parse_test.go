package query_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

func TestQueriesAreReadInEveryFormThatIsDocumented(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"process_resident_memory_bytes":              "process_resident_memory_bytes",
		" up ":                                       "up",
		":tensorflow:serving:request_count":          ":tensorflow:serving:request_count",
		"vllm:num_requests_waiting":                  "vllm:num_requests_waiting",
		"sum(memory)":                                "memory",
		"avg( gpu )":                                 "avg(gpu)",
		"max(gpu{gpu=\"0\"})":                        `max(gpu{gpu="0"})`,
		"rate(cpu_seconds_total)":                    "rate(cpu_seconds_total)",
		"sum(rate(cpu_seconds_total))":               "rate(cpu_seconds_total)",
		"max(rate(cpu_seconds_total{a!='b'}))":       `max(rate(cpu_seconds_total{a!="b"}))`,
		"m{a=\"1\",b!=\"2\", c=~\"3|4\" ,d!~\"5.\"}": `m{a="1",b!="2",c=~"3|4",d!~"5."}`,
		"m{}":                    "m",
		"m{a=\"\",}":             `m{a=""}`,
		`m{a="x\"y\\z\n"}`:       `m{a="x\"y\\z\n"}`,
		`m{a=~"\\d+"}`:           `m{a=~"\\d+"}`,
		`m{a=~"\d+"}`:            `m{a=~"\\d+"}`,
		"rate(a_total)/rate(b)":  "rate(a_total) / rate(b)",
		"a / max(b{c=\"/\"})":    `a / max(b{c="/"})`,
		"rate / sum":             "rate / sum",
		"sum{x=\"y\"}":           `sum{x="y"}`,
		"max(sum)":               "max(sum)",
		"rate(rate)":             "rate(rate)",
		"by / without":           "by / without",
		"rate ( c_total { } )  ": "rate(c_total)",
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := q.String(); got != want {
			t.Errorf("Parse(%q) is written %q, want %q", text, got, want)
		}
	}
}

func TestWrongQueriesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "a metric is missing at the end; write one such as process_resident_memory_bytes or rate(process_cpu_seconds_total{job=\"x\"})",
		"a /":                            "a metric is missing at the end; write one such as process_resident_memory_bytes or rate(process_cpu_seconds_total{job=\"x\"})",
		"5":                              `there is a number where a metric belongs: "5"; write one such as process_resident_memory_bytes or rate(process_cpu_seconds_total{job="x"})`,
		"-a":                             `"-a" is not the name of a metric; write one such as process_resident_memory_bytes or rate(process_cpu_seconds_total{job="x"})`,
		"{__name__=\"a\"}":               `the conditions have no metric before them; write the name before the conditions, such as NAME{label="value"}`,
		"a b":                            `"b" is left over; write one such as process_resident_memory_bytes or rate(process_cpu_seconds_total{job="x"})`,
		"a / b / c":                      `there is more than one division, from "/ c" on; divide one expression by one other`,
		"a * 2":                          `the operator "*" cannot be used; one expression, or one divided by another, is all there is`,
		"a > 1":                          `the operator ">" cannot be used; one expression, or one divided by another, is all there is`,
		"sum(a) by (pod)":                `series cannot be grouped: "by (pod)"; select the series that are meant by their labels`,
		"rate(a[5m])":                    `there are no ranges, as in "[5m])": a rate is that of one window; leave the brackets out`,
		"a[5m]":                          `there are no ranges, as in "[5m]": a rate is that of one window; leave the brackets out`,
		"sum(rate(a[5m]))":               `there are no ranges, as in "[5m]))": a rate is that of one window; leave the brackets out`,
		"rate(sum(a))":                   "a rate of a sum cannot tell one counter that starts again; write sum(rate(…))",
		"sum(rate(sum(a)))":              "a rate of a sum cannot tell one counter that starts again; write sum(rate(…))",
		"rate(rate(a))":                  "there is a function inside rate: rate; write rate(NAME)",
		"sum(avg(a))":                    "there cannot be avg inside sum; write sum(NAME) or sum(rate(NAME))",
		"increase(a)":                    "there is no function increase; write rate(…), the increase per second over a window",
		"irate(a)":                       "there is no function irate; write rate(…), the increase per second over a window",
		"mean(a)":                        "there is no function mean; write avg(…)",
		"maxx(a)":                        `there is no function maxx; did you mean "max"?`,
		"histogram_quantile(a)":          "there is no function histogram_quantile; the functions are rate, sum, avg and max",
		"rate(a":                         "the bracket behind rate is not closed; close it behind the metric",
		"max(rate(a)":                    "the bracket behind max is not closed; close it behind the metric",
		"m{":                             `"" is not the name of a label; write conditions such as m{label="value"}`,
		"m{1=\"a\"}":                     `"1=\"a\"}" is not the name of a label; write conditions such as m{label="value"}`,
		"m{a}":                           "there is no comparison behind the label a; write =, !=, =~ or !~ behind it",
		"m{a=b}":                         `the value of a has no quotes; put it between quotes, such as a="…"`,
		"m{a=\"b}":                       "the quotes around the value of a are not closed; close it",
		"m{a=\"b\" c=\"d\"}":             "the conditions on m are not closed; put a comma between conditions and } behind the last",
		"m{a=~\"(\"}":                    `"(" is not a pattern; write one in the syntax of RE2, such as 5..`,
		"m{" + many("a=\"b\"", 17) + "}": "there are more than 16 conditions on m; write fewer",
		"m{a=~\"" + strings.Repeat("x", 257) + "\"}": "the pattern of a has more than 256 bytes; write a shorter one",
		strings.Repeat("x", 4097):                    "the query has 4097 bytes, more than 4096; write a shorter one",
	} {
		q, err := query.Parse(text)
		var fault *value.Fault
		switch {
		case err == nil:
			t.Errorf("Parse(%q) = %s, want an error", text, q)
		case err.Error() != want:
			t.Errorf("Parse(%q)\n got %s\nwant %s", text, err, want)
		case !errors.As(err, &fault) || fault.Hint == "":
			t.Errorf("Parse(%q): %v says not what to write", text, err)
		}
	}
}

func many(what string, n int) string {
	return strings.TrimSuffix(strings.Repeat(what+",", n), ",")
}

func TestConditionsSelectSeriesAsInPrometheus(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"code": "500", "path": "/infer\nx"}
	for text, want := range map[string]bool{
		`m`: true, `m{code="500"}`: true, `m{code="50"}`: false, `m{code!="500"}`: false, `m{code!="200"}`: true,
		`m{code=~"5.."}`: true, `m{code=~"5."}`: false, `m{code!~"5.."}`: false, `m{code!~"2.."}`: true,
		`m{code=~"200|500"}`: true, `m{code=~"2|5"}`: false, `m{other=""}`: true, `m{other!=""}`: false,
		`m{other=~".*"}`: true, `m{other=~".+"}`: false, `m{path=~"/infer.*"}`: true, `m{code="500",path="/"}`: false,
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Top.Select.Matches(func(name string) string { return labels[name] }); got != want {
			t.Errorf("%s selects %v: %v, want %v", text, labels, got, want)
		}
	}
}

func TestTotalsThatAreNoRatesAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"process_resident_memory_bytes":                                "",
		"process_cpu_seconds_total":                                    "process_cpu_seconds_total",
		"rate(process_cpu_seconds_total)":                              "",
		"request_seconds_sum / request_seconds_count":                  "request_seconds_sum request_seconds_count",
		"rate(request_seconds_sum) / rate(request_seconds_count)":      "",
		"max(request_seconds_bucket{le=\"1\"}) / rate(requests_total)": "request_seconds_bucket",
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(q.Totals(), " "); got != want {
			t.Errorf("%s has the totals %q, want %q", text, got, want)
		}
	}
}

func nameGen() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z_:][a-zA-Z0-9_:]{0,12}`)
}

func labelGen() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_]{0,8}`)
}

func selectorGen(t *rapid.T) query.Selector {
	s := query.Selector{Name: nameGen().Draw(t, "name")}
	for range rapid.IntRange(0, 3).Draw(t, "matchers") {
		op := rapid.SampledFrom([]query.Op{query.Is, query.IsNot, query.Like, query.Unlike}).Draw(t, "op")
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab\"\\'\n{},=~/() "))).Draw(t, "value")
		if op == query.Like || op == query.Unlike {
			text = rapid.StringMatching(`[a-z]{0,3}(\.\*)?`).Draw(t, "pattern")
		}
		s.Matchers = append(s.Matchers, query.Matcher{Label: labelGen().Draw(t, "label"), Op: op, Value: text})
	}
	return s
}

func termGen(t *rapid.T) query.Term {
	return query.Term{
		Select: selectorGen(t), Rate: rapid.Bool().Draw(t, "rate"),
		Reduce: rapid.SampledFrom([]query.Reduce{query.Sum, query.Avg, query.Max}).Draw(t, "reduce"),
	}
}

func TestAnyQueryIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := query.Query{Top: termGen(t)}
		if rapid.Bool().Draw(t, "division") {
			bottom := termGen(t)
			q.Bottom = &bottom
		}
		text := q.String()
		got, err := query.Parse(text)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", text, err)
		}
		if again := got.String(); again != text {
			t.Fatalf("%s is read as %s", text, again)
		}
		if n := len(got.Selectors()); n != len(q.Selectors()) {
			t.Fatalf("%s has %d selectors", text, n)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"m", "rate(m_total{a=\"b\",c!~'d'}) / max(n)", "sum(", "m{a=~\"[\"}", "((", "a//b", "m{a=\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			return
		}
		again, err := query.Parse(q.String())
		if err != nil || again.String() != q.String() {
			t.Errorf("%q is written %q and read as %q, %v", text, q, again, err)
		}
	})
}
