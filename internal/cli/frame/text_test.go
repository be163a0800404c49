package frame

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
)

func TestNumbersAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(int64(4573)): "4,573", Count(-1234567.4): "-1,234,567",
		Things(1, "request"): "1 request", Things(2, "unit"): "2 units", Things(int64(1000), "gate"): "1,000 gates",
		Percent(1): "1%", Percent(0.5): "0.5%", Percent(100.0 / 3): "33.33%",
		rate(0.0102): "1.02%", rate(0.971): "97.1%", rate(0.00012): "0.012%", rate(1): "100%", rate(0.9996): "99.96%",
		latency(0.084): "84ms", latency(1.2345): "1.23s", latency(0.00085): "850us", latency(math.Copysign(0, -1)): "0",
		signed(0.0002): "+0.02", signed(-0.304): "-30.4", signed(3.1): "+310",
		eValue(0): "1", eValue(math.Log(54321)): "54,321", eValue(1000): "10^434", eValue(-50): "<0.001", eValue(math.Log(0.31)): "0.31",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0ms", 41 * time.Millisecond: "41ms", 3200 * time.Millisecond: "3.2s", 9 * time.Second: "9s", 59900 * time.Millisecond: "1m",
		45 * time.Second: "45s", 15*time.Minute + 40*time.Second: "15m40s", 59*time.Minute + 59900*time.Millisecond: "1h",
		2*time.Hour + 5*time.Minute: "2h5m", 48 * time.Hour: "2d", 76 * time.Hour: "3d4h", 24*time.Hour - time.Second: "1d",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestClockSaysTheDateOnlyOfAnotherDay(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("far", 9*3600)
	if got := Clock(noon, noon.Add(time.Hour).In(zone)); got != "12:00:00Z" {
		t.Errorf("the same day: %q", got)
	}
	if got := Clock(noon, noon.Add(13*time.Hour)); got != "2026-11-23 12:00:00Z" {
		t.Errorf("the day before: %q", got)
	}
}

func TestWrapBreaksAtSpacesAndLosesNothing(t *testing.T) {
	t.Parallel()
	text := "one two three fourfourfourfour five"
	if diff := cmp.Diff([]string{"one", "two three", "fourfourfourfour", "five"}, wrap(text, 10, 6)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := strings.Join(wrap(text, 10, 6), " "); got != text {
		t.Errorf("words were lost: %q", got)
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	gate := func(margin float64, worse string, lower, estimate, upper *float64) client.Gate {
		return client.Gate{MarginValue: &margin, Worse: "up", Verdict: client.Undecided, Bound: &client.Bound{Relative: true, Lower: lower, Estimate: estimate, Upper: upper}}
	}
	down := gate(-0.1, "down", new(-0.15), new(-0.05), new(0.05))
	down.Worse = "down"
	noData := gate(0.1, "up", new(-1.0), new(0.0), new(1.0))
	noData.Verdict = client.NoData
	tests := map[string]struct {
		gate client.Gate
		want string
	}{
		"inside the margin":      {gate(0.1, "up", new(-0.05), new(0.02), new(0.08)), "-20% ...............[====0=+=====].!xxxxxxxxxx +20%"},
		"across the margin":      {gate(0.1, "up", new(-0.05), new(0.05), new(0.15)), "-20% ...............[====0====+====!====]xxxxx +20%"},
		"beyond the margin":      {gate(0.1, "up", new(0.12), new(0.14), new(0.18)), "-20% ....................0.........!x[=+===]xx +20%"},
		"a decrease that harms":  {down, "-20% xxxxx[====!====+====0====]............... +20%"},
		"beyond both ends":       {gate(0.1, "up", new(-0.9), new(0.0), new(0.9)), "-20% <===================+=========!=========> +20%"},
		"one side not bounded":   {gate(0.1, "up", new(-0.1), new(0.05), nil), "-20% ..........[=========0====+====!=========> +20%"},
		"wholly beyond the edge": {gate(0.1, "up", new(0.5), new(0.6), new(0.7)), "-20% ....................0.........!xxxxxxxxx> +20%"},
		"wholly below the edge":  {gate(0.1, "up", new(-0.7), new(-0.6), new(-0.5)), "-20% <...................0.........!xxxxxxxxxx +20%"},
		"nothing is known":       {gate(0.1, "up", nil, new(0.0), nil), ""},
		"no data":                {noData, ""},
		"no margin":              {client.Gate{Bound: &client.Bound{Estimate: new(0.0)}}, ""},
	}
	for name, tt := range tests {
		if got := interval(&tt.gate, Painter{}); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
}
