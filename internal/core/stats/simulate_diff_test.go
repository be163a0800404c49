package stats

import (
	"fmt"
	"testing"
)

// affine is a boundary case of Engine D.
type affine struct {
	weight, a, m, pC float64
	batch, batches   int
}

func (c affine) stream(excess float64) stream {
	pT := c.a + c.m*c.pC
	return steady(c.batch, c.batches, c.weight, c.pC+excess*(pT-c.pC), c.pC)
}

func (c affine) String() string {
	return fmt.Sprintf("w %v, a %v, m %v, p_C %v", c.weight, c.a, c.m, c.pC)
}

func (c affine) fails(x *Counts) bool  { return x.diffReaches(ln20, c.a, c.m, Up) }
func (c affine) passes(x *Counts) bool { return x.diffReaches(ln20, c.a, c.m, Down) }

func TestADifferenceExactlyAtItsMargin(t *testing.T) {
	long(t)
	for _, c := range []affine{
		{.5, .005, 1, 0, 30, 200},
		{.5, .005, 1, .001, 80, 200},
		{.5, .01, 1, .01, 120, 250},
		{.5, .01, 1, .05, 400, 150},
		{.01, .01, 1, 0, 1500, 200},
		{.01, .01, 1, .01, 2000, 250},
		{.99, .01, 1, .001, 200, 400}, // the floor's case
		{.5, .02, .98, .05, 100, 300}, // accuracy 95 %, maxDecrease 2 %
		{.5, .04, 1, .05, 50, 200},    // accuracy 95 %, maxDecrease 4pp
	} {
		s := c.stream(1)
		between(t, c.String()+", rolled back", share(s.replay(41, 250, c.fails)), 0, .05)
		between(t, c.String()+", passed", share(s.replay(42, 250, c.passes)), 0, .05)
	}
}

func TestAnEqualCandidatePassesADifferenceAndIsNotRolledBack(t *testing.T) {
	long(t)
	for _, test := range []struct {
		affine
		least, most int // requests until half have passed
	}{
		{affine{.5, .005, 1, 0, 30, 200}, 1_900, 2_400},        // 2.1k
		{affine{.5, .005, 1, .001, 80, 200}, 2_200, 3_100},     // 2.6k
		{affine{.5, .01, 1, .01, 60, 250}, 2_500, 3_700},       // 3.1k
		{affine{.5, .04, 1, .05, 25, 200}, 750, 1_250},         // 1.0k
		{affine{.01, .01, 1, .001, 1000, 250}, 45_000, 66_000}, // 55k
	} {
		s := test.stream(0)
		between(t, test.String()+", rolled back", share(s.replay(43, 150, test.fails)), 0, .01)
		if t50 := median(s.replay(44, 150, test.passes)); t50 < test.least || t50 > test.most {
			t.Errorf("%v: half have passed after %d requests, want %d to %d", test, t50, test.least, test.most)
		}
	}
}

func TestAHarmfulDifferenceIsFoundInTime(t *testing.T) {
	long(t)
	for _, test := range []struct {
		affine
		least, most int
	}{
		{affine{.5, .005, 1, .001, 80, 200}, 1_600, 2_500},    // 2.0k at three times the margin
		{affine{.5, .01, 1, .05, 150, 300}, 4_200, 6_600},     // 5.4k
		{affine{.01, .01, 1, .01, 1000, 300}, 38_000, 62_000}, // 50k
	} {
		if t50 := median(test.stream(3).replay(45, 150, test.fails)); t50 < test.least || t50 > test.most {
			t.Errorf("%v: half are found after %d requests, want %d to %d", test, t50, test.least, test.most)
		}
	}
}

func TestADriftingBaselineDoesNotBiasADifference(t *testing.T) {
	long(t)
	for _, drift := range [][2]float64{{.001, .02}, {.02, .001}} {
		const delta = .005
		boundary := stream{batch: 1000, stages: []stage{
			{.01, drift[0] + delta, drift[0], 100}, {.5, drift[1] + delta, drift[1], 100},
		}}
		c := affine{a: delta, m: 1}
		name := fmt.Sprintf("%v to %v, ", drift[0], drift[1])
		between(t, name+"rolled back", share(boundary.replay(46, 200, c.fails)), 0, .05)
		between(t, name+"passed", share(boundary.replay(47, 200, c.passes)), 0, .05)
	}
}

func TestTheOrderOfTheWeightsDoesNotBiasADifference(t *testing.T) {
	long(t)
	const delta = .01
	for _, weights := range [][]float64{{.5, .01}, {.25, .01, .5}, {.9, .5}, {.01, .99}, {.5, .9, .99}} {
		for _, drift := range [][]float64{{.001, .02, .005}, {.05, 0, .01}} {
			boundary := stream{batch: 1000}
			for i, w := range weights {
				boundary.stages = append(boundary.stages, stage{w, drift[i] + delta, drift[i], 80})
			}
			c := affine{a: delta, m: 1}
			name := fmt.Sprintf("weights %v, rates %v, ", weights, drift[:len(weights)])
			between(t, name+"rolled back", share(boundary.replay(48, 200, c.fails)), 0, .05)
			between(t, name+"passed", share(boundary.replay(49, 200, c.passes)), 0, .05)
		}
	}
}

func TestTheFloorHoldsWhereTheBaselineIsTheSmallArm(t *testing.T) {
	long(t)
	for _, c := range []affine{
		{.9, .01, 1, 0, 50, 400},
		{.9, .01, 1, .01, 50, 400},
		{.9, .04, 1, .05, 20, 400},
		{.95, .005, 1, 0, 200, 300},
		{.99, .01, 1, 0, 200, 400},
	} {
		s := c.stream(1)
		between(t, c.String()+", rolled back", share(s.replay(55, 250, c.fails)), 0, .05)
		between(t, c.String()+", passed", share(s.replay(56, 250, c.passes)), 0, .05)
	}
	// This guards the floor: without it an arm of a few requests passes too often.
	unguarded := affine{.99, .01, 1, 0, 20, 2000}
	between(t, "without the floor", share(unguarded.stream(1).replay(57, 500, func(c *Counts) bool {
		if c.diffCeiling(.01, 1, Down) < ln20 {
			return false
		}
		ps, ok := c.profiles(.01, 1, -1, nil)
		return ok && ps.logMix(Prior3(.01)) >= ln20
	})), .055, 1)
	between(t, "with the floor", share(unguarded.stream(1).replay(57, 500, unguarded.passes)), 0, .05)
}
