package value_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

func TestWeightsAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]value.Weight{
		"0%": 0, "0.01%": 1, "0.1%": 10, "1%": 100, "1.5%": 150, "33.33%": 3333, "29.29%": 2929, "99.99%": 9999,
		"100%": 10_000, "100.00%": 10_000, "0100%": 10_000, "10 %": 1000, "12.340%": 1234,
	} {
		if got, err := value.ParseWeight(text); err != nil || got != want {
			t.Errorf("ParseWeight(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"10":               "the bare number 10 is ambiguous; write 10% if you mean percent",
		"0.25":             "the bare number 0.25 is ambiguous; write 25% or 0.25%, whichever you mean",
		"0.0":              "the bare number 0.0 is ambiguous; write 0.0% if you mean percent",
		"-1%":              "-1% is negative; write a positive percentage",
		"100.01%":          "100.01% is more than 100%; write at most 100%",
		"99999999999999%":  "99999999999999% is more than 100%; write at most 100%",
		"0.001%":           "0.001% is finer than a hundredth of a percent; write 0.01% or a multiple of it",
		"1e1%":             `"1e1%" is not a percentage; write one such as 10%`,
		"1_0%":             `"1_0%" is not a percentage; write one such as 10%`,
		".5%":              `".5%" is not a percentage; write one such as 10%`,
		"5.%":              `"5.%" is not a percentage; write one such as 10%`,
		"":                 `"" is not a percentage; write one such as 10%`,
		"%":                `"%" is not a percentage; write one such as 10%`,
		"1pp":              "1pp is a difference, not a share; write a percentage such as 10%",
		"NaN%":             `"NaN%" is not a percentage; write one such as 10%`,
		"0000000000000001": `"0000000000000001" is not a percentage; write one such as 10%`,
	} {
		if got, err := value.ParseWeight(text); err == nil || err.Error() != want {
			t.Errorf("ParseWeight(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func TestEveryWeightIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for w := value.Weight(0); w <= value.Whole; w++ {
		if got, err := value.ParseWeight(w.String()); err != nil || got != w {
			t.Fatalf("%d is written %s and read as %d, %v", w, w, got, err)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "800ms": 800 * time.Millisecond, "30m": 30 * time.Minute, "2h": 2 * time.Hour, "7d": 168 * time.Hour,
		"1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "0.5ms": 500 * time.Microsecond,
		"1m0.25s": 60250 * time.Millisecond, "3650d": 87600 * time.Hour, "0.000001ms": time.Nanosecond,
	} {
		if got, err := value.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":        "a duration is missing; write one such as 30m",
		"30":      "the bare number 30 is ambiguous; write 30s, 30m or 30h",
		"-2h":     `"-2h" is negative; write a duration without a sign`,
		"2hours":  `"2hours" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"30m2h":   `"30m2h" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"2h2h":    `"2h2h" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"5us":     `"5us" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"2 h":     `"2 h" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"1..5h":   `"1..5h" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"2M":      `"2M" is not a duration; write one such as 30m, 2h, 7d, 800ms or 1h30m`,
		"3651d":   "3651d is longer than ten years; write at most 3650d",
		"3650d1s": "3650d1s is longer than ten years; write at most 3650d",
	} {
		if got, err := value.ParseDuration(text); err == nil || err.Error() != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func TestDurationsAreWrittenAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "24h": 24 * time.Hour, "48h": 48 * time.Hour, "72h": 72 * time.Hour, "7d": 168 * time.Hour,
		"1h30m": 90 * time.Minute, "800ms": 800 * time.Millisecond, "1m0.5ms": time.Minute + 500*time.Microsecond,
	} {
		if got := value.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestQuantitiesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(3650*24*time.Hour)).Draw(t, "duration"))
		if got, err := value.ParseDuration(value.FormatDuration(d)); err != nil || got != d {
			t.Fatalf("duration %d is written %s and read as %d, %v", d, value.FormatDuration(d), got, err)
		}
		f := value.Fraction(rapid.Float64Range(1e-9, 1).Draw(t, "fraction"))
		if got, err := value.ParseFraction(f.String()); err != nil || got != f {
			t.Fatalf("fraction %v is written %s and read as %v, %v", float64(f), f, float64(got), err)
		}
		m := value.Margin{Relative: rapid.Bool().Draw(t, "relative"), Value: rapid.Float64Range(1e-9, 100).Draw(t, "margin")}
		if got, err := value.ParseMargin(m.String()); err != nil || got != m {
			t.Fatalf("margin %+v is written %s and read as %+v, %v", m, m, got, err)
		}
		b := boundGen(t)
		if got, err := value.ParseBound(b.String()); err != nil || got != b {
			t.Fatalf("bound %+v is written %s and read as %+v, %v", b, b, got, err)
		}
		r := value.Rate(rapid.Float64Range(1e-6, 1e6).Draw(t, "rate"))
		if got, err := value.ParseRate(r.String()); err != nil || got != r {
			t.Fatalf("rate %v is written %s and read as %v, %v", float64(r), r, float64(got), err)
		}
	})
}

func boundGen(t *rapid.T) value.Bound {
	unit := rapid.SampledFrom([]value.BoundUnit{value.BoundPercent, value.BoundSeconds, value.BoundBytes, value.BoundNumber}).Draw(t, "unit")
	amount := rapid.Float64Range(1e-6, 1e6).Draw(t, "value")
	switch unit {
	case value.BoundSeconds:
		amount = time.Duration(rapid.Int64Range(0, int64(3650*24*time.Hour)).Draw(t, "time")).Round(time.Microsecond).Seconds()
	case value.BoundBytes:
		amount = float64(rapid.Int64Range(0, 1<<40).Draw(t, "bytes"))
	case value.BoundPercent, value.BoundNumber:
	}
	return value.Bound{Unit: unit, Value: amount}
}

func TestMargins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]value.Margin{
		"20%": {Relative: true, Value: 0.2}, "0.5pp": {Value: 0.005}, "4 pp": {Value: 0.04}, "150%": {Relative: true, Value: 1.5}, "0.1%": {Relative: true, Value: 0.001},
	} {
		if got, err := value.ParseMargin(text); err != nil || got != want {
			t.Errorf("ParseMargin(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"5":    "the bare number 5 is ambiguous; write 5% (relative to the baseline) or 5pp (a difference in percentage points)",
		"-5%":  "-5% is negative; write how much change is tolerated, without a sign",
		"50ms": "50ms is a time, not a margin; write a percentage such as 10% (relative to the baseline), and the longest time allowed as max",
		"many": `"many" is not a margin; write 20% (relative to the baseline) or 0.5pp (a difference in percentage points)`,
	} {
		if got, err := value.ParseMargin(text); err == nil || err.Error() != want {
			t.Errorf("ParseMargin(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func TestBoundsAndRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]value.Bound{
		"5%": {value.BoundPercent, 0.05}, "800ms": {value.BoundSeconds, 0.8}, "1s500ms": {value.BoundSeconds, 1.5},
		"120": {value.BoundNumber, 120}, "0.5": {value.BoundNumber, 0.5}, "512MiB": {value.BoundBytes, 512 << 20}, "10B": {value.BoundBytes, 10},
	} {
		if got, err := value.ParseBound(text); err != nil || got != want {
			t.Errorf("ParseBound(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]value.Rate{"200/s": 200, "30/m": 0.5, "0.5/s": 0.5, "3600/h": 1} {
		if got, err := value.ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"200":   "the bare number 200 is ambiguous; write 200/s for requests per second",
		"200/d": `"200/d" is not a rate; write one such as 200/s, 30/m or 10/h`,
		"/s":    `"/s" is not a rate; write one such as 200/s, 30/m or 10/h`,
	} {
		if got, err := value.ParseRate(text); err == nil || err.Error() != want {
			t.Errorf("ParseRate(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"-1":     "-1 is negative; write a limit of zero or more",
		"600TiB": "600TiB is too large; write at most 512TiB",
		"5 GB":   `"5 GB" is not a limit; write one such as 5%, 800ms, 512MiB or 120`,
	} {
		if got, err := value.ParseBound(text); err == nil || err.Error() != want {
			t.Errorf("ParseBound(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]value.Unit{
		"request": {Kind: value.UnitRequest}, "header:X-User-Id": {value.UnitHeader, "X-User-Id"}, "cookie:session": {value.UnitCookie, "session"},
		"query:user": {value.UnitQuery, "user"}, "json:/inputs/0/name": {value.UnitJSON, "/inputs/0/name"}, "json:/a~1b": {value.UnitJSON, "/a~1b"},
	} {
		got, err := value.ParseUnit(text)
		if err != nil || got != want {
			t.Errorf("ParseUnit(%q) = %+v, %v, want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%+v is written %s, want %s", got, got, text)
		}
	}
	for _, text := range []string{"", "Request", "header:", "header:a b", "cookie:a=b", "query:a&b", "json:", "json:a", "body:/x", "request:x"} {
		if got, err := value.ParseUnit(text); err == nil {
			t.Errorf("ParseUnit(%q) = %+v, want an error", text, got)
		}
	}
}
