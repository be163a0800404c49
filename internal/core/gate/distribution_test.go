package gate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

func TestADistributionIsThatOfTheLatestStageWithValues(t *testing.T) {
	t.Parallel()
	w := newAnswering(3, false, 0, 0, 1, 2)
	g := outputDrift()
	if d := g.Distribution(w.view(), at(0, 3)); d != nil {
		t.Errorf("nothing was read, and there is %+v", d)
	}
	for i := range 3000 {
		w.answer(i%2, split.Baseline, 0, w.r.NormFloat64())
		if i < 500 {
			w.answer(i%2, split.Candidate, 0, w.r.NormFloat64())
			w.answer(2, split.Candidate, 0, 9)
		}
	}
	w.ev.Strata[1].Observe(&w.layout, evidence.Observation{Arm: split.Candidate, Outputs: []evidence.Reading{{Kind: evidence.Missing}}})
	w.ev.Learn(&w.layout)
	first := g.Distribution(w.view(), at(0, 3))
	if got := total(first); got != [split.Arms]uint64{split.Baseline: 3000, split.Candidate: 500} || first.Stage != 0 {
		t.Errorf("stage %d has %v values", first.Stage, got)
	}
	if n := first.Read[split.Candidate]; n.Values != 500 || n.Missing != 1 {
		t.Errorf("read is %+v", n)
	}
	if !(math.Abs(first.PSI) < 0.05) {
		t.Errorf("nothing changed, and the index is %v", first.PSI)
	}
	last := g.Distribution(w.view(), at(2, 3))
	if got := total(last); got != [split.Arms]uint64{split.Candidate: 500} || last.Stage != 1 {
		t.Errorf("stage %d has %v values", last.Stage, got)
	}
	if n := last.Bins[len(last.Bins)-1]; n.Counts[split.Candidate] != 500 || !math.IsInf(n.High, 1) || n.Single() {
		t.Errorf("what the baseline never had is %+v", n)
	}
	if !math.IsNaN(last.PSI) {
		t.Errorf("the baseline has nothing, and the index is %v", last.PSI)
	}
	rate := errorRatio()
	if rate.Distribution(w.view(), at(0, 3)) != nil {
		t.Error("a rate has a distribution")
	}
}

func total(d *Distribution) (out [split.Arms]uint64) {
	for _, b := range d.Bins {
		for arm, n := range b.Counts {
			out[arm] += n
		}
	}
	return out
}

func TestTheBinsOfADistributionLieSideBySide(t *testing.T) {
	t.Parallel()
	w := newAnswering(4, false, 0)
	for range 2000 {
		w.answer(0, split.Baseline, 0, math.Round(2*w.r.NormFloat64()))
		w.answer(0, split.Candidate, 0, w.r.NormFloat64())
	}
	w.ev.Learn(&w.layout)
	g := outputDrift()
	d := g.Distribution(w.view(), at(0, 1))
	if n := len(d.Bins); n < 5 || n > 42 {
		t.Errorf("%d bins", n)
	}
	low := math.Inf(-1)
	for _, b := range d.Bins {
		if b.Low != low || !(b.High > b.Low) {
			t.Errorf("a bin from %v to %v follows one that ends at %v", b.Low, b.High, low)
		}
		low = b.High
	}
	if !math.IsInf(low, 1) {
		t.Errorf("the last bin ends at %v", low)
	}
}

// Of a text a hash is kept; a gate on a class gives the label back.
func TestALabelThatAGateNamesIsNamed(t *testing.T) {
	t.Parallel()
	w := newAnswering(5, false, 0)
	w.layout.AddClass(0, "fraud", "output:score=fraud")
	w.ev.Strata = nil
	w.ev.Stratum(&w.layout, 0)
	say := func(arm split.Arm, text string) {
		w.ev.Strata[0].Observe(&w.layout, evidence.Observation{Arm: arm, Outputs: []evidence.Reading{
			{Kind: evidence.Text, Value: evidence.TextValue([]byte(text))},
		}})
	}
	for i := range 1500 {
		say(split.Baseline, []string{"legit", "legit", "legit", "fraud"}[i%4])
		say(split.Candidate, []string{"legit", "fraud"}[i%2])
	}
	w.ev.Learn(&w.layout)
	g := outputDrift()
	named := map[string][split.Arms]uint64{}
	single := 0
	for _, b := range g.Distribution(w.view(), at(0, 1)).Bins {
		if b.Single() {
			single++
		}
		if b.Name != "" {
			named[b.Name] = b.Counts
		}
	}
	want := map[string][split.Arms]uint64{"fraud": {split.Baseline: 375, split.Candidate: 750}}
	if diff := cmp.Diff(want, named); diff != "" || single != 2 {
		t.Errorf("%d bins hold one value; named (-want +got):\n%s", single, diff)
	}
}

// Values of the same answer are alike, so that a few answers differ much from each
// other without any drift: the index is corrected for that, too.
func TestTheIndexIsCorrectedForValuesThatResembleEachOther(t *testing.T) {
	t.Parallel()
	const runs = 40
	g := outputDrift()
	mean := 0.0
	for run := range runs {
		w := newAnswering(uint64(100+run), false, 0)
		for i := range 600 {
			place := w.r.NormFloat64()
			w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), place, place, place, place, place, place, place, place)
		}
		w.ev.Learn(&w.layout)
		d := g.Distribution(w.view(), at(0, 1))
		if math.IsNaN(d.PSI) {
			t.Fatal("no index")
		}
		mean += d.PSI / runs
	}
	// Uncorrected it would be (20-1)(8/2400+8/2400) = 0.13 on average.
	if math.Abs(mean) > 0.06 {
		t.Errorf("nothing changed, and the index is %v on average", mean)
	}
}

func TestNothingIsSaidOfTooFewAnswersWithSeveralValues(t *testing.T) {
	t.Parallel()
	w := newAnswering(6, false, 0)
	for i := range 10 {
		scores := make([]float64, 400)
		for j := range scores {
			scores[j] = w.r.NormFloat64()
		}
		w.answer(0, split.Arm(i%2), uint8(i), scores...)
	}
	w.ev.Learn(&w.layout)
	g := outputDrift()
	if d := g.Distribution(w.view(), at(0, 1)); d == nil || !math.IsNaN(d.PSI) {
		t.Errorf("ten answers: %+v", d)
	}
}
