package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawStratum draws counts of whole events from a handful to a million.
func drawStratum(t *rapid.T) Stratum {
	logN := rapid.Float64Range(1, 13)
	s := Stratum{
		NT: math.Floor(math.Exp(logN.Draw(t, "ln nT"))),
		NC: math.Floor(math.Exp(logN.Draw(t, "ln nC"))),
	}
	rate := math.Exp(rapid.Float64Range(-8, -.5).Draw(t, "ln rate"))
	tilt := rapid.Float64Range(0, 3)
	s.KT = min(s.NT, math.Floor(s.NT*rate*tilt.Draw(t, "tilt T")))
	s.KC = min(s.NC, math.Floor(s.NC*rate*tilt.Draw(t, "tilt C")))
	return s
}

func drawCounts(t *rapid.T) Counts {
	return Counts{
		Strata: rapid.SliceOfN(rapid.Custom(drawStratum), 1, 6).Draw(t, "strata"),
		Phi:    rapid.SampledFrom([]float64{0, 1, 1.7, 8}).Draw(t, "phi"),
	}
}

func drawDir(t *rapid.T) Dir { return rapid.SampledFrom([]Dir{Up, Down}).Draw(t, "dir") }

func drawLam0(t *rapid.T) float64 { return rapid.Float64Range(-1, 1).Draw(t, "lam0") }

// near reports whether two log e-values are the same but for rounding.
func near(a, b, tolerance float64) bool {
	return a == b || math.Abs(a-b) <= tolerance*(1+math.Abs(a))
}

// swapped exchanges the arms.
func (c Counts) swapped() Counts {
	r := Counts{Phi: c.Phi}
	for _, s := range c.Strata {
		r.Strata = append(r.Strata, Stratum{NT: s.NC, KT: s.KC, NC: s.NT, KC: s.KT})
	}
	return r
}

// with returns a copy in which f has changed the first stratum.
func (c Counts) with(f func(*Stratum)) Counts {
	r := Counts{Strata: append([]Stratum(nil), c.Strata...), Phi: c.Phi}
	f(&r.Strata[0])
	return r
}

func TestSwappingTheArmsTurnsTheDirectionRound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, lam0, dir := drawCounts(t), drawLam0(t), drawDir(t)
		a, b := c.LogERatio(lam0, dir, Prior3(.5)), c.swapped().LogERatio(-lam0, -dir, Prior3(.5))
		if !near(a, b, 1e-9) {
			t.Fatalf("%v, swapped %v", a, b)
		}
		if x, y := c.RatioMLE(), c.swapped().RatioMLE(); !near(x, -y, 1e-9) {
			t.Fatalf("estimate %v, swapped %v", x, y)
		}
		// p_T <= a + p_C, seen from the other arm: p_C >= -a + p_T.
		margin := rapid.Float64Range(-.2, .3).Draw(t, "a")
		p := Prior3(.01)
		ps, ok := c.profiles(margin, 1, dir.sign(), nil)
		qs, also := c.swapped().profiles(-margin, 1, -dir.sign(), nil)
		if ok != also {
			t.Fatalf("one side can be judged, the other cannot")
		}
		if ok && !near(ps.logMix(p), qs.logMix(p), 1e-6) {
			t.Fatalf("difference %v, swapped %v", ps.logMix(p), qs.logMix(p))
		}
	})
}

func TestEventsAndTheirAbsenceAreTheSameDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, dir := drawCounts(t), drawDir(t)
		a := rapid.Float64Range(-.2, .3).Draw(t, "a")
		m := rapid.Float64Range(.5, 1).Draw(t, "m")
		none := Counts{Phi: c.Phi}
		for _, s := range c.Strata {
			none.Strata = append(none.Strata, Stratum{NT: s.NT, KT: s.NT - s.KT, NC: s.NC, KC: s.NC - s.KC})
		}
		// p_T = a + m p_C is 1-p_T = (1-a-m) + m (1-p_C).
		p := Prior3(.02)
		ps, ok := c.profiles(a, m, dir.sign(), nil)
		qs, also := none.profiles(1-a-m, m, -dir.sign(), nil)
		if ok && also && !near(ps.logMix(p), qs.logMix(p), 1e-6) {
			t.Fatalf("events %v, their absence %v", ps.logMix(p), qs.logMix(p))
		}
	})
}

func TestTheOrderOfStrataDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, lam0, dir := drawCounts(t), drawLam0(t), drawDir(t)
		other := Counts{Strata: rapid.Permutation(c.Strata).Draw(t, "order"), Phi: c.Phi}
		for name, f := range map[string]func(Counts) float64{
			"ratio":  func(c Counts) float64 { return c.LogERatio(lam0, dir, Prior3(.5)) },
			"diff":   func(c Counts) float64 { return c.LogEDiff(.01, 1, dir, Prior3(.01)) },
			"ignore": func(c Counts) float64 { return c.LogEIgnoreFail(lam0, .001, Prior3(.5)) },
		} {
			if a, b := f(c), f(other); !near(a, b, 1e-9) {
				t.Fatalf("%s: %v, in another order %v", name, a, b)
			}
		}
	})
}

func TestShardsSumToTheSameVerdictInAnyGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.SliceOfN(rapid.Custom(drawStratum), 2, 6).Draw(t, "shards")
		order := rapid.Permutation(shards).Draw(t, "order")
		sum := func(list []Stratum) (s Stratum) {
			for _, x := range list {
				s.NT, s.KT, s.NC, s.KC = s.NT+x.NT, s.KT+x.KT, s.NC+x.NC, s.KC+x.KC
			}
			return s
		}
		cut := rapid.IntRange(0, len(order)).Draw(t, "cut")
		whole := Counts{Strata: []Stratum{sum(shards)}}
		parts := Counts{Strata: []Stratum{sum([]Stratum{sum(order[cut:]), sum(order[:cut])})}}
		a, b := whole.LogERatio(ln12, Up, Prior3(.5)), parts.LogERatio(ln12, Up, Prior3(.5))
		if !near(a, b, 1e-9) {
			t.Fatalf("whole %v, in parts %v", a, b)
		}
	})
}

func TestSplittingAStratumOfOneExposureRatioChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, lam0, dir := drawStratum(t), drawLam0(t), drawDir(t)
		share := rapid.Float64Range(.05, .95).Draw(t, "share")
		events := rapid.Float64Range(0, 1)
		x, y := events.Draw(t, "share of kT"), events.Draw(t, "share of kC")
		one := Counts{Strata: []Stratum{s}}
		two := Counts{Strata: []Stratum{
			{NT: s.NT * share, KT: s.KT * x, NC: s.NC * share, KC: s.KC * y},
			{NT: s.NT * (1 - share), KT: s.KT * (1 - x), NC: s.NC * (1 - share), KC: s.KC * (1 - y)},
		}}
		a, b := one.LogERatio(lam0, dir, Prior3(.5)), two.LogERatio(lam0, dir, Prior3(.5))
		if !near(a, b, 1e-9) {
			t.Fatalf("one stratum %v, split %v", a, b)
		}
	})
}

func TestMoreHarmIsMoreEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, lam0 := drawCounts(t), drawLam0(t)
		const slackNats = 1e-7
		a := rapid.Float64Range(.001, .1).Draw(t, "a")
		level := rapid.Float64Range(.0005, .05).Draw(t, "level")
		tests := map[string]func(c Counts, shift float64) (fail, pass float64){
			"ratio": func(c Counts, shift float64) (float64, float64) {
				return c.LogERatio(lam0+shift, Up, Prior3(.5)), c.LogERatio(lam0+shift, Down, Prior3(.5))
			},
			"diff": func(c Counts, shift float64) (float64, float64) {
				return c.LogEDiff(a+shift/20, 1, Up, Prior3(a)), c.LogEDiff(a+shift/20, 1, Down, Prior3(a))
			},
			"ignore": func(c Counts, shift float64) (float64, float64) {
				return c.LogEIgnoreFail(lam0+shift, level, Prior3(.5)), c.LogEIgnorePass(lam0+shift, level, Prior3(.5))
			},
		}
		for name, f := range tests {
			fail, pass := f(c, 0)
			check := func(what string, c Counts, shift, sign float64) {
				otherFail, otherPass := f(c, shift)
				if sign*(otherFail-fail) < -slackNats*(1+math.Abs(fail)) {
					t.Fatalf("%s: fail with %s: %v, was %v", name, what, otherFail, fail)
				}
				if sign*(otherPass-pass) > slackNats*(1+math.Abs(pass)) {
					t.Fatalf("%s: pass with %s: %v, was %v", name, what, otherPass, pass)
				}
			}
			if s := c.Strata[0]; s.KT+1 <= s.NT && s.KT+s.KC > 0 {
				check("one more harmed request", c.with(func(s *Stratum) { s.KT++ }), 0, 1)
			}
			if s := c.Strata[0]; s.KC+1 <= s.NC && s.KT+s.KC > 0 && name != "ignore" {
				check("one more error at the baseline", c.with(func(s *Stratum) { s.KC++ }), 0, -1)
			}
			check("a wider margin", c, .1, -1)
		}
	})
}

func TestABoundAndAVerdictSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, dir := drawCounts(t), drawDir(t)
		p, threshold := Prior3(.5), math.Log(rapid.SampledFrom([]float64{10, 20, 80, 1000}).Draw(t, "1/alpha"))
		agree(t, frontier{
			bound: c.RatioBound(threshold, dir, p), margin: drawLam0(t), threshold: threshold, dir: dir,
			logE: func(x float64) float64 { return c.LogERatio(x, dir, p) },
		})
		q := Prior3(.01)
		agree(t, frontier{
			bound: c.DiffBound(1, threshold, dir, q), margin: rapid.Float64Range(-.1, .1).Draw(t, "a"),
			threshold: threshold, dir: dir,
			logE: func(x float64) float64 { return c.LogEDiff(x, 1, dir, q) },
		})
		s := c.Strata[0]
		agree(t, frontier{
			bound:     BernoulliBound(s.KT, s.NT, c.Phi, threshold, dir, p),
			margin:    math.Exp(rapid.Float64Range(-8, -.1).Draw(t, "ln p0")),
			threshold: threshold, dir: dir,
			logE: func(x float64) float64 { return LogEBernoulli(s.KT, s.NT, x, c.Phi, dir, p) },
		})
	})
}

// frontier is a bound, and the e-value that it belongs to.
type frontier struct {
	bound, margin, threshold float64
	dir                      Dir
	logE                     func(margin float64) float64
}

// agree fails unless a verdict at the margin says what the bound says, and the
// e-value at the bound is the threshold.
func agree(t *rapid.T, f frontier) {
	t.Helper()
	verdict := f.logE(f.margin) >= f.threshold
	beyond := f.dir.sign()*(f.bound-f.margin) > 0
	if verdict != beyond && math.Abs(f.bound-f.margin) > 1e-6 {
		t.Fatalf("bound %v, margin %v: verdict %v", f.bound, f.margin, verdict)
	}
	if math.IsInf(f.bound, 0) {
		return
	}
	at := f.logE(f.bound)
	// A floor (DiffPassFloor) is a jump: the bound then lies on it.
	jump := f.logE(f.bound+f.dir.sign()*1e-6*math.Abs(f.bound)) < f.threshold
	if at < f.threshold-1e-9 || at > f.threshold+1e-6 && !jump {
		t.Fatalf("at the bound %v: %v, want %v", f.bound, at, f.threshold)
	}
}

func TestDispersionTakesEvidenceAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, lam0, dir := drawCounts(t), drawLam0(t), drawDir(t)
		plain, one := Counts{Strata: c.Strata}, Counts{Strata: c.Strata, Phi: 1}
		if a, b := plain.LogERatio(lam0, dir, Prior3(.5)), one.LogERatio(lam0, dir, Prior3(.5)); a != b {
			t.Fatalf("phi 0: %v, phi 1: %v", a, b)
		}
		last := math.Inf(1)
		for _, phi := range []float64{1, 1.5, 3, 10, 100} {
			now := Counts{Strata: c.Strata, Phi: phi}.LogERatio(lam0, dir, Prior3(.5))
			if last > 3 && now > last+1e-9 {
				t.Fatalf("phi %v: %v, more than %v with less dispersion", phi, now, last)
			}
			last = now
		}
	})
}

func TestTheSameCountsGiveTheSameBits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, lam0, dir := drawCounts(t), drawLam0(t), drawDir(t)
		twice := func(f func() float64) {
			if a, b := f(), f(); math.Float64bits(a) != math.Float64bits(b) {
				t.Fatalf("%v, then %v", a, b)
			}
		}
		twice(func() float64 { return c.LogERatio(lam0, dir, Prior3(.5)) })
		twice(func() float64 { return c.LogEDiff(.01, 1, dir, Prior3(.01)) })
		twice(func() float64 { return c.LogEIgnoreFail(lam0, .001, Prior3(.5)) })
		twice(func() float64 { return c.DiffBound(1, ln20, dir, Prior3(.01)) })
	})
}

func TestIgnoreBelowIsNeverAboveEitherOfItsTests(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, lam0 := drawStratum(t), drawLam0(t)
		level := math.Exp(rapid.Float64Range(-9, -1).Draw(t, "ln level"))
		c, p := Counts{Strata: []Stratum{s}}, Prior3(.5)
		got := c.LogEIgnoreFail(lam0, level, p)
		// Without an event Engine R says nothing, but the level still does.
		limit := LogEBernoulli(s.KT, s.NT, level, 1, Up, p)
		if s.KT+s.KC > 0 {
			limit = min(limit, c.LogERatio(lam0, Up, p))
		}
		if got > limit+1e-9*(1+math.Abs(limit)) {
			t.Fatalf("%v, more than %v", got, limit)
		}
	})
}

func TestOneGateAtItsShareTakesTheAverageToAlpha(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Float64Range(.01, 1), 1, 6).Draw(t, "shares")
		sum := 0.0
		for _, s := range shares {
			sum += s
		}
		logEs := make([]float64, len(shares))
		for i := range shares {
			shares[i] /= sum
			logEs[i] = rapid.Float64Range(-50, 2).Draw(t, "logE")
		}
		g := rapid.IntRange(0, len(shares)-1).Draw(t, "gate")
		const alpha = .05
		logEs[g] = -math.Log(alpha * shares[g])
		if got := AverageLogE(shares, logEs); got < ln20-1e-12 {
			t.Fatalf("average %v, want at least %v", got, ln20)
		}
	})
}

func TestAGateHasAtLeastHalfOfItsPooledEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pooled := rapid.Float64Range(-20, 100).Draw(t, "pooled")
		stages := rapid.IntRange(1, 7).Draw(t, "stages")
		perStage := rapid.SliceOfN(rapid.Float64Range(-20, 100), 0, stages).Draw(t, "per stage")
		got := GateLogE(pooled, perStage, stages)
		if got < pooled-math.Ln2-1e-12 {
			t.Fatalf("%v, less than half of %v", got, pooled)
		}
		top := pooled
		for _, e := range perStage {
			top = max(top, e)
		}
		if got > max(top, 0)+1e-12 {
			t.Fatalf("%v, more than its largest part %v", got, top)
		}
	})
}
