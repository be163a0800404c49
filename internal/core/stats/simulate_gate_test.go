package stats

import (
	"math"
	"testing"
)

// guarded is one gate of a simulated rollout.
type guarded struct {
	pT, pC float64
	fail   func(c Counts) float64
	pass   func(c Counts) float64
	// ceiling bounds what fail can return.
	ceiling func(c Counts) float64
}

// ratioGate compares by Engine R.
func ratioGate(pT, pC, lam0 float64, dir Dir, p Prior) guarded {
	return guarded{
		pT: pT, pC: pC,
		fail:    func(c Counts) float64 { return c.LogERatio(lam0, dir, p) },
		pass:    func(c Counts) float64 { return c.LogERatio(lam0, -dir, Prior3(max(.05, math.Abs(lam0)))) },
		ceiling: func(c Counts) float64 { return c.ratioCeiling(lam0, dir) },
	}
}

// diffGate compares by Engine D.
func diffGate(pT, pC, a float64) guarded {
	return guarded{
		pT: pT, pC: pC,
		fail:    func(c Counts) float64 { return c.LogEDiff(a, 1, Up, Prior3(a)) },
		pass:    func(c Counts) float64 { return c.LogEDiff(a, 1, Down, Prior3(a)) },
		ceiling: func(c Counts) float64 { return c.diffCeiling(a, 1, Up) },
	}
}

// evidence returns the gate's fail e-value over its stages; with f = ceiling
// something that is not below it.
func evidence(strata []Stratum, stages int, f func(Counts) float64) float64 {
	var store [8]float64
	perStage := store[:0]
	for i := range strata {
		perStage = append(perStage, f(Counts{Strata: strata[i : i+1]}))
	}
	return GateLogE(f(Counts{Strata: strata}), perStage, stages)
}

// fourGates plays the ladder 1, 10, 25, 50 % with a look 30 times a stage and
// returns whether the rollout was rolled back, and whether all gates passed at
// the end.
func fourGates(d draw, gates []guarded) (rolledBack, promoted bool) {
	weights := []float64{.01, .1, .25, .5}
	shares, ceilings, logEs := make([]float64, len(gates)), make([]float64, len(gates)), make([]float64, len(gates))
	strata := make([][]Stratum, len(gates))
	for g := range gates {
		shares[g] = 1 / float64(len(gates))
	}
	for _, weight := range weights {
		for g := range gates {
			strata[g] = append(strata[g], Stratum{})
		}
		for range 30 {
			nT := d.binomial(6000, weight)
			for g, gate := range gates {
				s := &strata[g][len(strata[g])-1]
				s.NT += float64(nT)
				s.NC += float64(6000 - nT)
				s.KT += float64(d.binomial(nT, gate.pT))
				s.KC += float64(d.binomial(6000-nT, gate.pC))
				ceilings[g] = evidence(strata[g], len(weights), gate.ceiling)
			}
			if AverageLogE(shares, ceilings) < ln20 {
				continue
			}
			for g, gate := range gates {
				logEs[g] = evidence(strata[g], len(weights), gate.fail)
			}
			if AverageLogE(shares, logEs) >= ln20 {
				return true, false
			}
		}
	}
	for g, gate := range gates {
		if gate.pass(Counts{Strata: strata[g]}) < ln20 {
			return false, false
		}
	}
	return false, true
}

func countFourGates(seed, replications int, gates []guarded) (rolledBack, promoted float64) {
	replications *= *scale
	for r := range replications {
		back, on := fourGates(newDraw(seed, r), gates)
		if back {
			rolledBack++
		}
		if on {
			promoted++
		}
	}
	return rolledBack / float64(replications), promoted / float64(replications)
}

func TestFourGatesExactlyAtTheirMargins(t *testing.T) {
	long(t)
	back, on := countFourGates(71, 150, []guarded{
		ratioGate(.006, .005, ln12, Up, Prior3(.5)),
		ratioGate(.01, .01, 0, Up, Prior3(.5)), // p99, the margin lies in the threshold
		ratioGate(.05*.95, .05, math.Log(.95), Down, Prior3(.1)),
		diffGate(.06, .05, .01),
	})
	between(t, "rolled back", back, 0, .05)
	between(t, "promoted", on, 0, .05)
}

func TestFourGatesOfAnEqualCandidate(t *testing.T) {
	long(t)
	back, on := countFourGates(72, 40, []guarded{
		ratioGate(.005, .005, math.Log(1.5), Up, Prior3(.5)),
		ratioGate(.006, .01, 0, Up, Prior3(.5)),
		ratioGate(.05, .05, math.Log(.9), Down, Prior3(.1)),
		diffGate(.05, .05, .01),
	})
	between(t, "rolled back", back, 0, .01)
	between(t, "promoted", on, .9, 1)
}

func TestOneHarmfulGateAmongFourIsRolledBack(t *testing.T) {
	long(t)
	back, on := countFourGates(73, 60, []guarded{
		ratioGate(.010, .005, ln12, Up, Prior3(.5)),
		ratioGate(.008, .01, 0, Up, Prior3(.5)),
		ratioGate(.05, .05, math.Log(.95), Down, Prior3(.1)),
		diffGate(.05, .05, .01),
	})
	between(t, "rolled back", back, .99, 1)
	between(t, "promoted", on, 0, .01)
}

func TestAFairSplitIsHardlyEverAMismatch(t *testing.T) {
	long(t)
	for name, weight := range map[string]float64{"half": .5, "one percent": .01} {
		alarms, replications := 0, 300**scale
		for r := range replications {
			d, nT, nC := newDraw(81, r), 0.0, 0.0
			for range 1000 {
				n := d.binomial(200, weight)
				nT, nC = nT+float64(n), nC+float64(200-n)
				if LogESRM(nT, nC, weight, 1000) >= math.Log(1000) {
					alarms++
					break
				}
			}
		}
		between(t, name, float64(alarms)/float64(replications), 0, .005)
	}
}

func TestABrokenSplitIsAMismatch(t *testing.T) {
	long(t)
	// 52 % instead of 50 %: found within 20,000 units nearly always.
	found, replications := 0, 100**scale
	for r := range replications {
		d, nT, nC := newDraw(82, r), 0.0, 0.0
		for range 200 {
			n := d.binomial(100, .52)
			nT, nC = nT+float64(n), nC+float64(100-n)
			if LogESRM(nT, nC, .5, 1000) >= math.Log(1000) {
				found++
				break
			}
		}
	}
	between(t, "found", float64(found)/float64(replications), .9, 1)
}
