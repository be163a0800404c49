package planner

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestATrafficIsReadFromTexts(t *testing.T) {
	t.Parallel()
	got := declared(t, "6000/min",
		"error_rate=0.5%", "outcome:conversion=5%, share=20%, delay=30m,dispersion=3", "outcome:revenue=12.5,cv=8,nonzero=3%,correlation=0.6",
		"memory=2GiB,spread=3%,correlation=0.5", "latency_p99=120ms,p50=40ms,dispersion=2", "latency_p95=80ms")
	if got.Rate != 100 || got.Origin != "declared" || got.Latency == nil || !got.Latency.Absolute {
		t.Errorf("got %+v", got)
	}
	want := map[string]Level{
		"error_rate":         {Value: 0.005, Unit: value.BoundPercent},
		"outcome:conversion": {Value: 0.05, Unit: value.BoundPercent, Share: 0.2, Delay: 30 * time.Minute, Dispersion: 3},
		"outcome:revenue":    {Value: 12.5, Unit: value.BoundNumber, CV: 8, NonZero: 0.03, Correlation: 0.6},
		"memory":             {Value: 2 << 30, Unit: value.BoundBytes, Spread: 0.03, Correlation: 0.5},
		"latency_p99":        {Unit: value.BoundSeconds, Dispersion: 2},
		"latency_p95":        {Unit: value.BoundSeconds},
	}
	if diff := cmp.Diff(want, got.Levels); diff != "" {
		t.Error(diff)
	}
	for rank, want := range map[float64]float64{0.5: 0.04, 0.95: 0.08, 0.99: 0.12} {
		if at := math.Exp(got.Latency.quantile(rank)); math.Abs(at-want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", rank, at, want)
		}
	}
}

func TestRatesAreReadWithTheirUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"100/s": 100, "100/sec": 100, "6000/m": 100, "6000/min": 100, "36/h": 0.01, "36/hour": 0.01, " 5/second ": 5, "0.5/s": 0.5} {
		if got := declared(t, text).Rate; math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func TestMistakesOfATrafficAreToldAtOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rate   string
		levels []string
		want   []string
	}{
		"a bare rate":            {"100", nil, []string{"the rate: the bare number 100 is ambiguous; write 100/s for requests per second"}},
		"a rate of nothing":      {"0/s", nil, []string{"the rate: it is 0; write how many requests the model gets, such as 100/s"}},
		"a negative rate":        {"-5/s", nil, []string{`the rate: "-5/s" is not a rate`}},
		"a rate without number":  {"many", nil, []string{`the rate: "many" is not a rate`}},
		"no value":               {"1/s", []string{"error_rate"}, []string{`the baseline "error_rate": it is not METRIC=VALUE`}},
		"no metric":              {"1/s", []string{"=5%"}, []string{`the baseline "=5%": it is not METRIC=VALUE`}},
		"a word for a value":     {"1/s", []string{"error_rate=low"}, []string{`the baseline of error_rate: "low" is not a limit`}},
		"a latency without unit": {"1/s", []string{"latency_p99=120"}, []string{"the baseline of latency_p99: the bare number 120 is ambiguous; write 120s, 120m or 120h"}},
		"a number for a share":   {"1/s", []string{"outcome:x=5%,share=0.2"}, []string{"the baseline of outcome:x: share: the bare number 0.2 is ambiguous"}},
		"a percentage for a cv":  {"1/s", []string{"outcome:x=5,cv=8%"}, []string{`the baseline of outcome:x: cv: "8%" is not a number`}},
		"an unknown key":         {"1/s", []string{"outcome:x=5%,delya=5m"}, []string{`nothing is known of "delya"; did you mean "delay"?`}},
		"a strange key":          {"1/s", []string{"outcome:x=5%,zzzzzz=5m"}, []string{`nothing is known of "zzzzzz"; write one of cv, nonzero`}},
		"a key without value":    {"1/s", []string{"outcome:x=5%,delay"}, []string{`"delay" is not KEY=VALUE`}},
		"the same metric twice":  {"1/s", []string{"error_rate=5%", "error_rate=6%"}, []string{"the baseline of error_rate: it is given twice"}},
		"a quantile twice":       {"1/s", []string{"latency_p99=120ms,p50=40ms", "latency_p50=50ms"}, nil},
		"quantiles upside down":  {"1/s", []string{"latency_p99=40ms,p50=120ms"}, []string{"the latency at rank 99% is not above that at 50%"}},
		"a latency of nothing":   {"1/s", []string{"latency_p99=0s"}, []string{"the 99th percentile of the latency is 0s"}},
		"several at once":        {"100", []string{"error_rate=low", "x"}, []string{"the rate:", "error_rate", `"x"`}},
	}
	for name, tt := range tests {
		_, err := Declare(tt.rate, tt.levels)
		if tt.want == nil {
			continue
		}
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range tt.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}

func TestWhatAPlanCannotReckonWithIsRefused(t *testing.T) {
	t.Parallel()
	base := []string{"outcome:conversion=5%", "outcome:revenue=12.5,cv=8"}
	tests := map[string]struct {
		rate   string
		levels []string
		want   string
	}{
		"no traffic":                {"", base, "the rate is 0 requests per second"},
		"an unknown gate":           {"1/s", append([]string{"latency_p9=4ms"}, base...), `no gate of this plan measures "latency_p9"; did you mean "latency_p99"?`},
		"another unknown gate":      {"1/s", append([]string{"churn=4%"}, base...), `no gate of this plan measures "churn"; its gates are error_rate, latency_p99`},
		"more than all":             {"1/s", append([]string{"error_rate=150%"}, base...), "the baseline of error_rate is 150%; write a percentage from 0% to 100%"},
		"a rate without its sign":   {"1/s", append([]string{"error_rate=0.005"}, base...), "the baseline of error_rate has no %; write a percentage, such as error_rate=5%"},
		"an outcome of no known":    {"1/s", base[1:], "the baseline of outcome:conversion is not known; write its rate, such as outcome:conversion=5%"},
		"a success that never is":   {"1/s", []string{"outcome:conversion=0%", base[1]}, "the baseline of outcome:conversion is 0%, and its margin is relative to that"},
		"a mean of no known":        {"1/s", base[:1], "the baseline of outcome:revenue is not known; write its mean and its standard deviation over the mean"},
		"a mean without spread":     {"1/s", []string{base[0], "outcome:revenue=12.5"}, "the baseline of outcome:revenue has no spread; add the standard deviation over the mean, such as cv=8"},
		"a mean of nothing":         {"1/s", []string{base[0], "outcome:revenue=0,cv=8"}, "a relative margin needs a mean above 0"},
		"a mean as a share":         {"1/s", []string{base[0], "outcome:revenue=12%,cv=8"}, "the baseline of outcome:revenue is a share, but its gate is on a mean"},
		"a rate as a mean":          {"1/s", []string{"outcome:conversion=5%,cv=3", base[1]}, "the baseline of outcome:conversion has a cv, but its gate is on a rate"},
		"shares that cannot be":     {"1/s", []string{"outcome:conversion=5%,nonzero=200%", base[1]}, "has a nonzero share that is not between"},
		"a correlation of one":      {"1/s", []string{base[0], "outcome:revenue=12.5,cv=8,correlation=1"}, "has a correlation that is not between 0 and 1"},
		"a dispersion beyond words": {"1/s", []string{"outcome:conversion=5%,dispersion=10000000", base[1]}, "has a dispersion that cannot be"},
	}
	for name, tt := range tests {
		traffic, err := Declare(tt.rate, tt.levels)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = Look(resolved(t, full), traffic)
		if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := Look(resolved(t, full), Traffic{Rate: math.NaN(), Levels: map[string]Level{"error_rate": {Value: math.Inf(1)}}}); len(problem.List(err)) < 4 {
		t.Errorf("all mistakes at once: %v", err)
	}
}

func TestAPlanWithoutAGateThatDecidesIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Look(resolved(t, "  gates: [{metric: error_rate, maxIncrease: 20%, role: info}]\n"), declared(t, "1/s"))
	if err == nil || !strings.Contains(err.Error(), "no gate that decides") {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNotKnownIsAssumedAndSaid(t *testing.T) {
	t.Parallel()
	o := outlookOf(t, full, declared(t, "100/s", "outcome:conversion=5%", "outcome:revenue=12.5,cv=8"))
	for _, want := range []string{"error_rate is taken to be 0.5%", "latencies are taken to be lognormal", "3.08% of the values of outcome:revenue", "memory is taken to vary by 5%"} {
		if !strings.Contains(strings.Join(o.Assumed, "\n"), want) {
			t.Errorf("%q does not say %q", o.Assumed, want)
		}
	}
	for i, want := range []string{"assumed", "assumed", "declared", "assumed", "assumed"} {
		if o.Gates[i].Origin != want {
			t.Errorf("the level of %s is %s, want %s", o.Gates[i].Gate, o.Gates[i].Origin, want)
		}
	}
}

func TestWhatIsDeclaredWinsOverWhatWasMeasured(t *testing.T) {
	t.Parallel()
	measured := Traffic{
		Rate: 50, Measured: true, Origin: "measured", Latency: AssumedLatency(), LatencyDispersion: 3,
		Levels: map[string]Level{"error_rate": {Value: 0.02, Dispersion: 4, Share: 1}, "client_error_rate": {Value: 0.1}},
	}
	got := measured.Under(declared(t, "", "error_rate=1%"))
	if got.Rate != 50 || !got.Measured || got.Origin != "measured; declared" || got.LatencyDispersion != 3 {
		t.Errorf("got %+v", got)
	}
	if l := got.Levels["error_rate"]; l.Value != 0.01 || l.Dispersion != 4 || got.Levels["client_error_rate"].Value != 0.1 {
		t.Errorf("levels %+v", got.Levels)
	}
	if got := measured.Under(Traffic{}); got.Origin != "measured" {
		t.Errorf("alone it is %q", got.Origin)
	}
	if got := (Traffic{}).Under(declared(t, "5/s")); got.Origin != "declared" || got.Rate != 5 {
		t.Errorf("over nothing it is %+v", got)
	}
	// A series that was measured and that no gate reads is no mistake.
	if _, err := Look(resolved(t, short), measured.Under(declared(t, "", "outcome:conversion=5%", "outcome:revenue=3,cv=2"))); err != nil {
		t.Error(err)
	}
}
