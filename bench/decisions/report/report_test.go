package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
)

func TestTheLowerLimitIsThatOfClopperAndPearson(t *testing.T) {
	t.Parallel()
	tests := []struct {
		k, n int
		want float64
	}{
		{10, 10, math.Pow(0.01, 1.0/10)},      // All: the tenth root of 1 %.
		{1, 100, 1 - math.Pow(0.99, 1.0/100)}, // One: not none in 99 % of the time.
		{0, 50, 0},
	}
	for _, tt := range tests {
		if got := Lower(tt.k, tt.n); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%d of %d: %v, want %v", tt.k, tt.n, got, tt.want)
		}
	}
	// At the limit the chance to see so many or more is 1 %.
	limit, chance := Lower(12, 200), 0.0
	for k := 12; k <= 200; k++ {
		lg, _ := math.Lgamma(201)
		lk, _ := math.Lgamma(float64(k) + 1)
		lr, _ := math.Lgamma(float64(200-k) + 1)
		chance += math.Exp(lg - lk - lr + float64(k)*math.Log(limit) + float64(200-k)*math.Log1p(-limit))
	}
	if math.Abs(chance-0.01) > 1e-9 {
		t.Errorf("12 of 200 at %v have a chance of %v", limit, chance)
	}
}

func cell(name string, rate int, own, once contest.Tally) contest.Cell {
	return contest.Cell{Case: name, Rate: rate, Rules: map[string]*contest.Tally{contest.BelayName: &own, allAtOnce: &once}}
}

// results are a contest in which all is well.
func results() *Results {
	x5 := cell("errors-x5", 6000, contest.Tally{Reps: 100, RolledBack: 100, Early: 99, Minutes: []int{3, 4, 5}, Harmed: 900, Failed: 800}, contest.Tally{Reps: 10, Promoted: 10, Whole: 10, Harmed: 1e6, Failed: 9e5})
	x5.Critical = true
	late := cell("errors-above-25%", 6000, contest.Tally{Reps: 100, RolledBack: 100, Minutes: []int{300}, Harmed: 9000, Failed: 9000}, contest.Tally{Reps: 10, Promoted: 10, Harmed: 1e6, Failed: 1e6})
	late.Critical = true
	users := cell("sticky-x2", 6000, contest.Tally{Reps: 100, RolledBack: 100, Harmed: 100, Failed: 100, Users: 50, FailedUsers: 50}, contest.Tally{Reps: 10, Promoted: 10, Harmed: 1e5, Failed: 1e5, Users: 10_000, FailedUsers: 10_000})
	return &Results{
		Cells: []contest.Cell{
			cell("technical", 6000, contest.Tally{Reps: 200, RolledBack: 4, Promoted: 196, Whole: 196}, contest.Tally{Reps: 10, Promoted: 10, Whole: 10}),
			cell("errors-at-the-margin", 6000, contest.Tally{Reps: 200, Held: 195, Promoted: 5, Whole: 5}, contest.Tally{Reps: 10, Promoted: 10, Whole: 10}),
			x5, late, users,
		},
		Rules: []string{contest.BelayName, allAtOnce}, Command: "go run ./bench/decisions", Reps: 100, Others: 10, Seed: 1,
		Possible: func(c *contest.Cell) (float64, bool) {
			if c.Case == "errors-above-25%" {
				return 0.1, true
			}
			return 0.99, true
		},
	}
}

func TestClaimsHoldWhenAllIsWell(t *testing.T) {
	t.Parallel()
	for _, c := range results().Claims() {
		if !c.Holds || len(c.Broken) > 0 {
			t.Errorf("%s: holds %v, broken by %v (%s)", c.Text, c.Holds, c.Broken, c.Measured)
		}
	}
}

func TestEachClaimCanBeBroken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		claim  int
		change func(r *Results)
	}{
		"false rollback":     {0, func(r *Results) { r.Cells[0].Rules[contest.BelayName].RolledBack = 20 }},
		"false promotion":    {1, func(r *Results) { r.Cells[1].Rules[contest.BelayName].Whole = 20 }},
		"caught":             {2, func(r *Results) { r.Cells[2].Rules[contest.BelayName].Early = 85 }},
		"failures":           {3, func(r *Results) { r.Cells[3].Rules[contest.BelayName].Failed = 1e8 }},
		"critical failures":  {4, func(r *Results) { r.Cells[2].Rules[contest.BelayName].Failed = 1e8 }},
		"users with one":     {5, func(r *Results) { r.Cells[4].Rules[contest.BelayName].FailedUsers = 3e5 }},
		"harm":               {6, func(r *Results) { r.Cells[3].Rules[contest.BelayName].Harmed = 1e8 }},
		"critical harm":      {7, func(r *Results) { r.Cells[2].Rules[contest.BelayName].Harmed = 1e8 }},
		"users":              {8, func(r *Results) { r.Cells[4].Rules[contest.BelayName].Users = 3e5 }},
		"caught, if counted": {2, func(r *Results) { r.Possible = func(*contest.Cell) (float64, bool) { return 0.97, true } }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := results()
			tt.change(r)
			if c := r.Claims()[tt.claim]; c.Holds || len(c.Broken) == 0 {
				t.Errorf("%s still holds: %s", c.Text, c.Measured)
			}
			if !strings.Contains(r.Page(), "**no**") {
				t.Error("the page does not say so")
			}
		})
	}
}

// A sum over rates is ruled by the highest: what does not hold at a low one is told.
func TestASumDoesNotHideARate(t *testing.T) {
	t.Parallel()
	r := results()
	low := cell("errors-x2", 600, contest.Tally{Reps: 100, RolledBack: 100, Harmed: 2e4, Failed: 2e4}, contest.Tally{Reps: 10, Promoted: 10, Harmed: 1e4, Failed: 1e4})
	r.Cells = append(r.Cells, low)
	for _, i := range []int{3, 6} {
		c := r.Claims()[i]
		if !c.Holds || len(c.Broken) != 1 || !strings.Contains(c.Broken[0], "600/min alone: 80.00 %") {
			t.Errorf("%s: holds %v, broken by %v", c.Text, c.Holds, c.Broken)
		}
		if !strings.Contains(c.Measured, "80.00 % at 600/min (**no**), 99.9") || !strings.Contains(c.Measured, "6,000/min (yes)") {
			t.Errorf("measured: %s", c.Measured)
		}
	}
}

// Slow requests and lost outcomes are no failures: they do not help what is claimed.
func TestWhatIsClaimedCountsFailuresAlone(t *testing.T) {
	t.Parallel()
	r := results()
	slow := cell("latency-x2", 60_000, contest.Tally{Reps: 100, RolledBack: 100, Harmed: 100}, contest.Tally{Reps: 10, Promoted: 10, Harmed: 1e12})
	r.Cells = append(r.Cells, slow)
	r.Cells[3].Rules[contest.BelayName].Failed = 1e8
	r.Cells[3].Rules[contest.BelayName].Harmed = 1e8
	claims := r.Claims()
	if claims[3].Holds || !claims[6].Holds {
		t.Errorf("failures: %s; all harm: %s", claims[3].Measured, claims[6].Measured)
	}
}

func TestWhatWasNotMeasuredIsNotClaimed(t *testing.T) {
	t.Parallel()
	r := results()
	r.Cells = nil
	for _, c := range r.Claims() {
		if c.Holds || c.Measured != "nothing was measured" {
			t.Errorf("%s: %s", c.Text, c.Measured)
		}
	}
}

func TestARateWithinItsChanceBreaksNothing(t *testing.T) {
	t.Parallel()
	r := results()
	r.Cells[0].Rules[contest.BelayName].RolledBack = 14 // 7 %, where 5 % may well give it.
	if c := r.Claims()[0]; !c.Holds {
		t.Errorf("broken: %s", c.Measured)
	}
}

func TestThePageSaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	page := results().Page()
	for _, want := range []string{
		"4 of 200", "5 of 200", "99 % (99 of 100) in 1 cells; 1 cells are not counted", "| errors-above-25% | 6,000/min | 10 % | 0 of 100 |",
		"go run ./bench/decisions", "decisions-harm.svg", "held for a person", "seed 1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for i, line := range strings.Split(page, "\n") {
		if strings.Contains(line, "NaN") || strings.Contains(line, "%!") {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
}

func TestWeaknessesAreNamed(t *testing.T) {
	t.Parallel()
	r := results()
	r.Cells[0].Rules[contest.BelayName].Held = 100
	r.Cells[2].Rules[contest.BelayName].Promoted = 3
	r.Cells[2].Rules["Kayenta"] = &contest.Tally{Reps: 10, RolledBack: 10, Harmed: 1}
	r.Rules = append(r.Rules, "Kayenta")
	r.Cells[0].Rules["Kayenta"] = &contest.Tally{Reps: 10, Promoted: 10}
	page := r.Page()
	for _, want := range []string{"50 % of the rollouts wait", "3 of 100 were promoted", "Kayenta harms 0 requests, Belay 9"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	r.Cells[0].Rules["Kayenta"].RolledBack = 9
	if strings.Contains(r.Page(), "Kayenta harms") {
		t.Error("compared with a rule that rolls back good candidates")
	}
}

func TestChartsAreWellFormed(t *testing.T) {
	t.Parallel()
	figures := results().Figures()
	if len(figures) != 5 {
		t.Errorf("%d figures", len(figures))
	}
	for _, f := range figures {
		svg := f.Chart.SVG()
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.File, err)
			}
		}
		if strings.Contains(svg, "NaN") || !strings.Contains(svg, "Belay") {
			t.Errorf("%s draws what is no number, or not Belay", f.File)
		}
	}
}

func TestNumbersAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0 %": percent(0), "2.5 %": percent(0.025), "12 %": percent(0.12), "99.5 %": percent(0.995), "100 %": percent(1), "–": percent(math.NaN()),
		"99.98 %": fine(0.9998), "0.0012 %": percentOf(0.0000123), "60,000/min": perMinute(60000), "45 min": span(45), "2 h 05": span(125), "54 h": span(3240),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
