package frame

import (
	"math"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

// spread is a distribution with these shares of the arms, in bins of width one
// from zero on, of which the lowest and the highest are open.
func spread(candidate, baseline []float64) *client.Distribution {
	d := &client.Distribution{CandidateValues: 1000, BaselineValues: 9000}
	for i := range candidate {
		b := client.Bin{CandidateShare: candidate[i], BaselineShare: baseline[i]}
		if i > 0 {
			b.From = new(float64(i - 1))
		}
		if i < len(candidate)-1 {
			b.Below = new(float64(i))
		}
		d.Bins = append(d.Bins, b)
	}
	return d
}

func TestWideShowsWhatADriftCompares(t *testing.T) {
	t.Parallel()
	r := outputs()
	score := &r.Gates[1]
	score.Distribution = spread(
		[]float64{0, 0.02, 0.05, 0.08, 0.1, 0.25, 0.3, 0.16, 0.04},
		[]float64{0, 0.14, 0.14, 0.14, 0.15, 0.14, 0.14, 0.149, 0.001},
	)
	score.Distribution.Psi, score.Distribution.CandidateMissing = new(0.3184), 0.112
	label := &r.Gates[3]
	label.Distribution = spread([]float64{0, 0.4, 0, 0.6, 0}, []float64{0, 0.95, 0, 0.05, 0})
	label.Distribution.Bins[3].Class, label.Distribution.Bins[3].Single = "fraud", true
	label.Distribution.Bins[1].Single, label.Distribution.Bins[1].From = true, new(139482134112233.0)
	frame := Frame{Width: 160, Now: noon, Wide: true}
	golden(t, "outputs-wide.txt", strings.Join(frame.Lines(&r, nil), "\n")+"\n")
	frame.Wide = false
	if page := strings.Join(frame.Lines(&r, nil), "\n"); strings.Contains(page, "PSI") {
		t.Errorf("it is shown where nobody asked:\n%s", page)
	}
}

func TestDistributionsThatAreHardlyAny(t *testing.T) {
	t.Parallel()
	none := spread([]float64{0, 0}, []float64{0.5, 0.5})
	none.CandidateValues = 0
	equal := spread([]float64{0.5, 0.5}, []float64{0.5, 0.5})
	equal.Psi = new(-0.0001)
	for name, c := range map[string]struct {
		d    *client.Distribution
		want []string
	}{
		"none":                        {nil, nil},
		"no bins":                     {&client.Distribution{}, nil},
		"a candidate without any":     {none, []string{"   candidate |  | 0 values", "   baseline  |@@| 9,000 values"}},
		"two of the same":             {equal, []string{"   candidate |@@| 1,000 values", "   baseline  |@@| 9,000 values", "   PSI 0 (bias-corrected, information only)"}},
		"all in the one bin there is": {spread([]float64{1}, []float64{1}), []string{"   candidate |@| 1,000 values", "   baseline  |@| 9,000 values"}},
		"shares that are no numbers":  {spread([]float64{math.NaN()}, []float64{math.NaN()}), []string{"   candidate | | 1,000 values", "   baseline  | | 9,000 values"}},
		"a trace beside almost all":   {spread([]float64{1e-9, 1}, []float64{0, 1}), []string{"   candidate |.@| 1,000 values", "   baseline  | @| 9,000 values", "   most moved below 0 0% -> 1e-07%"}},
		"an open end that has moved":  {spread([]float64{0.4, 0.6}, []float64{0.5, 0.5}), []string{"   candidate |#@| 1,000 values", "   baseline  |%%| 9,000 values", "   most moved below 0 50.0% -> 40.0%, from 0 50.0% -> 60.0%"}},
	} {
		if got := distribution(&client.Gate{Distribution: c.d}); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: got\n%s", name, strings.Join(got, "\n"))
		}
	}
}
