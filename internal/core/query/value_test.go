package query_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/query"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// at is a reading so many seconds after the start, of one server for each page.
func at(seconds float64, pages ...query.Page) query.Reading {
	return query.Reading{At: start.Add(time.Duration(seconds * float64(time.Second))), Pages: pages}
}

// page is what a server says: one list of series for each selector.
func page(lists ...[]query.Point) query.Page { return lists }

// series are points named a, b, c and so on.
func series(values ...float64) []query.Point {
	out := []query.Point{}
	for i, v := range values {
		out = append(out, query.Point{Key: string(rune('a' + i)), Value: v})
	}
	return out
}

func parse(tb testing.TB, text string) query.Query {
	tb.Helper()
	q, err := query.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

func TestValues(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		query  string
		window []query.Reading
		want   float64
	}{
		"a level is the average of the readings after the first": {
			"m", []query.Reading{at(0, page(series(1000))), at(5, page(series(10))), at(10, page(series(20))), at(15, page(series(30)))}, 20,
		},
		"several series are added": {
			"m", []query.Reading{at(0, page(series())), at(5, page(series(10, 5)))}, 15,
		},
		"or averaged": {
			"avg(m)", []query.Reading{at(0, page(series())), at(5, page(series(10, 5)))}, 7.5,
		},
		"or the largest is taken": {
			"max(m)", []query.Reading{at(0, page(series())), at(5, page(series(10, 5)))}, 10,
		},
		"a level needs nothing where the window begins": {
			"m", []query.Reading{at(0, nil), at(5, page(series(10)))}, 10,
		},
		"series of a level may come and go": {
			"m", []query.Reading{at(0, page(series(1))), at(5, page(series(4, 4))), at(10, page(series(4)))}, 6,
		},
		"a rate is the increase per second": {
			"rate(m)", []query.Reading{at(0, page(series(100))), at(5, page(series(110))), at(10, page(series(130)))}, 3,
		},
		"rates of several series are added": {
			"rate(m)", []query.Reading{at(0, page(series(100, 0))), at(10, page(series(110, 20)))}, 3,
		},
		"or the largest is taken of them": {
			"max(rate(m))", []query.Reading{at(0, page(series(100, 0))), at(10, page(series(110, 20)))}, 2,
		},
		"or their average": {
			"avg(rate(m))", []query.Reading{at(0, page(series(100, 0))), at(10, page(series(110, 20)))}, 1.5,
		},
		"a series that appears counts from zero": {
			"rate(m)", []query.Reading{at(0, page(series(100))), at(5, page(series(100, 30))), at(10, page(series(110, 30)))}, 4,
		},
		"so does the first series of all": {
			"rate(m)", []query.Reading{at(0, page(series())), at(10, page(series(30)))}, 3,
		},
		"a division": {
			"rate(cpu) / rate(requests)", []query.Reading{at(0, page(series(1), series(100))), at(10, page(series(2), series(600)))}, 0.002,
		},
		"a level by a rate": {
			"m / rate(n)", []query.Reading{at(0, page(series(1), series(0))), at(10, page(series(50), series(100)))}, 5,
		},
		"servers are averaged": {
			"m", []query.Reading{at(0, page(series(0)), page(series(0))), at(5, page(series(10)), page(series(30)))}, 20,
		},
		"rates of servers, too": {
			"rate(m)", []query.Reading{at(0, page(series(0)), page(series(7))), at(10, page(series(10)), page(series(37)))}, 2,
		},
	} {
		got, gap := parse(t, tt.query).Value(tt.window)
		if gap != nil || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %s = %v, %+v, want %v", name, tt.query, got, gap, tt.want)
		}
	}
}

func TestWindowsWithoutAValueSayWhy(t *testing.T) {
	t.Parallel()
	one := page(series(1), series(1))
	for name, tt := range map[string]struct {
		query  string
		window []query.Reading
		want   query.Gap
	}{
		"no reading":  {"m", nil, query.Gap{Why: query.Unreachable}},
		"one reading": {"m", []query.Reading{at(0, one)}, query.Gap{Why: query.Unreachable}},
		"no server":   {"m", []query.Reading{at(0), at(5)}, query.Gap{Why: query.Unreachable}},
		"a server that did not answer": {
			"m", []query.Reading{at(0, one), at(5, nil)}, query.Gap{Why: query.Unreachable},
		},
		"the second of two servers": {
			"m", []query.Reading{at(0, one, one), at(5, one, nil)}, query.Gap{Why: query.Unreachable, Server: 1},
		},
		"a rate whose window begins without an answer": {
			"rate(m)", []query.Reading{at(0, nil), at(5, one)}, query.Gap{Why: query.Unreachable},
		},
		"an answer lost in the middle": {
			"rate(m)", []query.Reading{at(0, one), at(5, nil), at(10, one)}, query.Gap{Why: query.Unreachable},
		},
		"a page of another query": {
			"m / n", []query.Reading{at(0, page(series(1))), at(5, page(series(1)))}, query.Gap{Why: query.Unreachable, Term: 1},
		},
		"no such series":      {"m", []query.Reading{at(0, one), at(5, page(series()))}, query.Gap{Why: query.NoSeries}},
		"no such counter":     {"rate(m)", []query.Reading{at(0, page(series())), at(5, page(series()))}, query.Gap{Why: query.NoSeries}},
		"none below the line": {"m / n", []query.Reading{at(0, one), at(5, page(series(1), series()))}, query.Gap{Why: query.NoSeries, Term: 1}},
		"a counter that went back": {
			"rate(m)", []query.Reading{at(0, page(series(100))), at(5, page(series(3)))}, query.Gap{Why: query.CounterBack},
		},
		"one of several that went back while their sum grew": {
			"rate(m)", []query.Reading{at(0, page(series(100, 0))), at(5, page(series(3, 900)))}, query.Gap{Why: query.CounterBack},
		},
		"a counter that went back within the window": {
			"rate(m)", []query.Reading{at(0, page(series(100))), at(5, page(series(3))), at(10, page(series(400)))}, query.Gap{Why: query.CounterBack},
		},
		"a counter that is gone": {
			"rate(m)", []query.Reading{at(0, page(series(1, 2))), at(5, page(series(1)))}, query.Gap{Why: query.CounterBack},
		},
		"NaN":                 {"m", []query.Reading{at(0, one), at(5, page(series(1, math.NaN())))}, query.Gap{Why: query.NotANumber}},
		"NaN as the largest":  {"max(m)", []query.Reading{at(0, one), at(5, page(series(math.NaN(), 1)))}, query.Gap{Why: query.NotANumber}},
		"an infinity":         {"m", []query.Reading{at(0, one), at(5, page(series(math.Inf(1))))}, query.Gap{Why: query.NotANumber}},
		"an infinite counter": {"rate(m)", []query.Reading{at(0, one), at(5, page(series(math.Inf(1))))}, query.Gap{Why: query.NotANumber}},
		"a NaN counter":       {"rate(m)", []query.Reading{at(0, page(series(math.NaN()))), at(5, page(series(1)))}, query.Gap{Why: query.NotANumber}},
		"sums that overflow":  {"m", []query.Reading{at(0, one), at(5, page(series(math.MaxFloat64, math.MaxFloat64)))}, query.Gap{Why: query.NotANumber}},
		"a zero":              {"m", []query.Reading{at(0, one), at(5, page(series(0)))}, query.Gap{Why: query.NotPositive}},
		"a negative level":    {"m", []query.Reading{at(0, one), at(5, page(series(-4)))}, query.Gap{Why: query.NotPositive}},
		"a counter at rest":   {"rate(m)", []query.Reading{at(0, one), at(5, one)}, query.Gap{Why: query.NotPositive}},
		"nothing to divide by": {
			"m / rate(n)", []query.Reading{at(0, one), at(5, one)}, query.Gap{Why: query.NotPositive, Term: 1},
		},
		"a ratio that overflows": {
			"m / n", []query.Reading{at(0, one), at(5, page(series(1e300), series(1e-300)))}, query.Gap{Why: query.NotANumber},
		},
		"a ratio that vanishes": {
			"m / n", []query.Reading{at(0, one), at(5, page(series(1e-300), series(1e300)))}, query.Gap{Why: query.NotPositive},
		},
		"a clock that stands": {"rate(m)", []query.Reading{at(5, one), at(5, page(series(2)))}, query.Gap{Why: query.NotANumber}},
		"a clock that goes back": {
			"rate(m)", []query.Reading{at(5, one), at(1, page(series(2)))}, query.Gap{Why: query.NotANumber},
		},
	} {
		got, gap := parse(t, tt.query).Value(tt.window)
		if gap == nil || *gap != tt.want {
			t.Errorf("%s: %s = %v, %+v, want %+v", name, tt.query, got, gap, tt.want)
		}
	}
}

// windowGen is any window of a counter of two servers.
func windowGen(t *rapid.T) []query.Reading {
	number := rapid.Float64()
	var out []query.Reading
	for i := range rapid.IntRange(0, 4).Draw(t, "readings") {
		r := at(float64(i) * rapid.Float64Range(-1, 10).Draw(t, "step"))
		for range rapid.IntRange(0, 2).Draw(t, "servers") {
			var p query.Page
			if rapid.IntRange(0, 5).Draw(t, "answers") > 0 {
				p = page(series(rapid.SliceOfN(number, 0, 3).Draw(t, "top")...), series(rapid.SliceOfN(number, 0, 3).Draw(t, "bottom")...))
			}
			r.Pages = append(r.Pages, p)
		}
		out = append(out, r)
	}
	return out
}

func TestAValueIsAlwaysAPositiveNumberOrMissing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := query.Query{Top: termGen(t)}
		if rapid.Bool().Draw(t, "division") {
			bottom := termGen(t)
			q.Bottom = &bottom
		}
		got, gap := q.Value(windowGen(t))
		if gap == nil && !(got > 0 && !math.IsInf(got, 1)) {
			t.Fatalf("%s = %v", q, got)
		}
		if gap != nil && (gap.Why == "" || got != 0) {
			t.Fatalf("%s = %v, %+v", q, got, gap)
		}
	})
}

func TestARateIsTheSameHoweverOftenTheCounterIsRead(t *testing.T) {
	t.Parallel()
	q := parse(t, "rate(m)")
	rapid.Check(t, func(t *rapid.T) {
		gains := rapid.SliceOfN(rapid.IntRange(0, 1000), 2, 10).Draw(t, "gains")
		total, window := 1.0, []query.Reading{at(0, page(series(1)))}
		for i, g := range gains {
			total += float64(g)
			window = append(window, at(float64(i+1), page(series(total))))
		}
		often, gap := q.Value(window)
		once, gapOnce := q.Value([]query.Reading{window[0], window[len(window)-1]})
		if (gap == nil) != (gapOnce == nil) || math.Abs(often-once) > 1e-9*once {
			t.Fatalf("%v (%+v) read at each step, %v (%+v) read once", often, gap, once, gapOnce)
		}
	})
}

func TestUnitsCancelBetweenTheArms(t *testing.T) {
	t.Parallel()
	q := parse(t, "m")
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.Float64Range(1e-3, 1e9).Draw(t, "level")
		scale := rapid.Float64Range(1e-3, 1e3).Draw(t, "scale")
		plain, _ := q.Value([]query.Reading{at(0, nil), at(5, page(series(level, 2*level)))})
		scaled, _ := q.Value([]query.Reading{at(0, nil), at(5, page(series(level*scale, 2*level*scale)))})
		if math.Abs(scaled/plain-scale) > 1e-9*scale {
			t.Fatalf("%v scaled by %v is %v", plain, scale, scaled)
		}
	})
}
