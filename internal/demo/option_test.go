package demo

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

func TestOptionsThatSayNothingTakeTheDefaults(t *testing.T) {
	t.Parallel()
	o, err := Options{}.filled()
	if err != nil {
		t.Fatal(err)
	}
	if o.Scenario != All || o.Rate != 800 || o.Speed != 1 || o.Out != io.Discard || o.Err != io.Discard {
		t.Errorf("got %+v", o)
	}
}

func TestLinesAreBrokenOnATerminalAlone(t *testing.T) {
	t.Parallel()
	for live, want := range map[bool]int{true: 90, false: 0} {
		if o, err := (Options{Live: live, Width: 90}).filled(); err != nil || o.Width != want {
			t.Errorf("live %v: width %d, %v; want %d", live, o.Width, err, want)
		}
	}
}

func TestMistakesInTheOptionsAreToldAllAtOnce(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		opts Options
		want []string
	}{
		"an unknown scenario": {Options{Scenario: "v9"}, []string{`no scenario is named "v9"; there are all, v3, v4, v5, v2`}},
		"a rate too low":      {Options{Rate: 49}, []string{"rate 49 is out of range; use 50 to 5000"}},
		"a speed too high":    {Options{Speed: 3.1}, []string{"speed 3.1 is out of range; use 0.1 to 3"}},
		"a negative rate and a negative speed": {
			Options{Rate: -1, Speed: -1}, []string{"rate -1 is out of range", "speed -1 is out of range"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Run(t.Context(), c.opts)
			if !problem.Is(err, problem.Invalid) {
				t.Fatalf("got %v, want an invalid problem", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestCautionsNameWhatARateOrASpeedCosts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		rate, speed float64
		want        []string
	}{
		"nothing at the defaults":        {800, 1, nil},
		"a low rate makes stages longer": {100, 1, []string{"the first stage sees about 3 of the 20 requests"}},
		"a high speed makes them longer": {800, 2, []string{"the first stage sees about 12 of the 20 requests"}},
		"a high rate wants processors":   {4000, 1, []string{"want more than two processors"}},
		"a lower rate at a high speed":   {500, 3, []string{"the first stage"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := readLadder(policy(c.speed))
			if err != nil {
				t.Fatal(err)
			}
			got := Options{Rate: c.rate, Speed: c.speed}.cautions(l)
			if len(got) != len(c.want) {
				t.Fatalf("got %q, want %d cautions", got, len(c.want))
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("%q does not say %q", got[i], c.want[i])
				}
			}
		})
	}
}

func TestALowerRateGetsMoreTime(t *testing.T) {
	t.Parallel()
	l := ladder{total: 15 * time.Second}
	for rate, want := range map[float64]time.Duration{800: 75 * time.Second, 1600: 75 * time.Second, 200: 255 * time.Second} {
		if got := (Options{Rate: rate, Speed: 1}).limit(l); got != want {
			t.Errorf("rate %v: %v, want %v", rate, got, want)
		}
	}
}
