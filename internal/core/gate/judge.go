package gate

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Reason says why a verdict is what it is. Reasons are stable for ever.
type Reason string

// The reasons of verdicts.
const (
	HarmProven      Reason = "HarmProven"
	CeilingBroken   Reason = "CeilingBroken"
	MarginProven    Reason = "MarginProven"
	NotProvenYet    Reason = "NotProvenYet"
	NotYetActive    Reason = "NotYetActive"
	NoCandidateData Reason = "NoCandidateData"
	NoBaselineData  Reason = "NoBaselineData"
	// OnlySuccesses is an outcome of which no failure was ever reported, on
	// either arm: an application that reports successes alone would look
	// perfect on both, so it proves nothing.
	OnlySuccesses Reason = "OnlySuccesses"
)

// Place is where in the plan a gate is judged.
type Place struct {
	Stage  int     // the current stage
	Stages int     // planned weight stages
	Alpha  float64 // of the rollout
}

// Judgement is a verdict with everything that it rests on.
type Judgement struct {
	Gate    string  `json:"gate"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	// LogFail and LogPass are the natural logarithms of the gate's e-values.
	LogFail float64 `json:"logFail"`
	LogPass float64 `json:"logPass"`
	// Pooled, PerStage and Ceiling are the terms of LogFail: all strata
	// together, each stage by itself (from the gate's first on), and the
	// ceilings.
	Pooled   float64   `json:"pooled"`
	PerStage []float64 `json:"perStage,omitempty"`
	Ceiling  float64   `json:"ceiling"`
	// Here are the counts of the current stage, Total of all that are active.
	Here  stats.Stratum `json:"here"`
	Total stats.Stratum `json:"total"`

	Sample Sample `json:"sample"`
}

// FailAt is the logarithm of the e-value at which the gate by itself is a fail.
func (g *Gate) FailAt(alpha float64) float64 { return -math.Log(alpha * g.Share) }

// PassAt is the logarithm of the e-value at which the gate passes.
func PassAt(alpha float64) float64 { return -math.Log(alpha) }

// Judge judges a sample. It depends on its arguments alone; prev, the
// judgement of an earlier sample of the same gate or nil, only saves the work
// of judging finished stages again.
func (g *Gate) Judge(s Sample, at Place, prev *Judgement) Judgement {
	j := Judgement{Gate: g.Name, Sample: s, Here: s.total(at.Stage), Total: s.total(all)}
	if at.Stage < g.From {
		j.Verdict, j.Reason = Off, NotYetActive
		return j
	}
	g.weigh(&j, at, prev)
	j.LogFail, j.LogPass = bounded(j.LogFail), bounded(j.LogPass)
	j.Verdict, j.Reason = g.verdict(&j, at.Alpha)
	return j
}

// bounded keeps a logarithm in a range that can be stored and averaged; what is
// no number is no evidence.
func bounded(logE float64) float64 {
	if math.IsNaN(logE) {
		return 0
	}
	return min(max(logE, -1e9), 1e9)
}

// weigh works out the e-values.
func (g *Gate) weigh(j *Judgement, at Place, prev *Judgement) {
	if g.Method != None {
		g.weighMargin(j, at, prev)
		j.LogFail = stats.GateLogE(j.Pooled, j.PerStage, at.Stages-g.From)
		j.LogPass = g.logPass(j.Sample.counts(all), g.margin())
	}
	if len(g.Ceilings) == 0 {
		return
	}
	j.Ceiling = bounded(g.logCeilings(j.Sample, stats.Up))
	if g.Method == None {
		j.LogFail, j.LogPass = j.Ceiling, g.logCeilings(j.Sample, stats.Down)
		return
	}
	j.LogFail = stats.LogMeanExp([]float64{j.LogFail, j.Ceiling})
}

// weighMargin fills in the pooled term and the terms of each stage.
func (g *Gate) weighMargin(j *Judgement, at Place, prev *Judgement) {
	j.Pooled = bounded(g.logFail(j.Sample.counts(all), g.margin()))
	j.PerStage = make([]float64, at.Stage-g.From+1)
	for i := range j.PerStage {
		stage := g.From + i
		if known, ok := prev.stageTerm(i, stage, &j.Sample); ok {
			j.PerStage[i] = known
			continue
		}
		j.PerStage[i] = bounded(g.logFail(j.Sample.counts(stage), g.margin()))
	}
}

// stageTerm returns the term of a stage if j was judged on the same counts.
func (j *Judgement) stageTerm(i, stage int, s *Sample) (float64, bool) {
	if j == nil || i >= len(j.PerStage) || j.Sample.Phi != s.Phi {
		return 0, false
	}
	of := func(s *Sample) []Slice {
		first := slices.IndexFunc(s.Strata, func(x Slice) bool { return x.Stage == stage })
		if first < 0 {
			return nil
		}
		last := first
		for last < len(s.Strata) && s.Strata[last].Stage == stage {
			last++
		}
		return s.Strata[first:last]
	}
	if !slices.EqualFunc(of(&j.Sample), of(s), Slice.equal) {
		return 0, false
	}
	return j.PerStage[i], true
}

// logFail is the e-value against "no worse than the margin x", where x is a
// log-ratio or, for differences, the shift.
func (g *Gate) logFail(c stats.Counts, x float64) float64 {
	switch g.Method {
	case Difference:
		return c.LogEDiff(x, g.Slope, stats.Up, g.failPrior())
	case Ignore:
		return c.LogEIgnoreFail(x, g.Level, g.failPrior())
	}
	return c.LogERatio(x, g.Worse, g.failPrior())
}

// logPass is the e-value against "at or beyond the margin x".
func (g *Gate) logPass(c stats.Counts, x float64) float64 {
	switch g.Method {
	case Difference:
		return c.LogEDiff(x, g.Slope, stats.Down, g.passPrior())
	case Ignore:
		return c.LogEIgnorePass(x, g.Level, g.passPrior())
	}
	return c.LogERatio(x, -g.Worse, g.passPrior())
}

// logCeilings is the mean e-value of the ceilings against "at most the limit"
// (dir Up), or the least of them against "at or above it" (dir Down).
func (g *Gate) logCeilings(s Sample, dir stats.Dir) float64 {
	logs := make([]float64, len(g.Ceilings))
	n := s.total(all).NT
	for i, ceiling := range g.Ceilings {
		k := 0.0
		for _, slice := range s.Strata {
			k += slice.Over[i]
		}
		logs[i] = stats.LogEBernoulli(k, n, ceiling.Limit, s.CeilingPhi, dir, stats.Prior3(0.5))
	}
	if dir == stats.Down {
		return slices.Min(logs)
	}
	return stats.LogMeanExp(logs)
}

// verdict reads the e-values.
func (g *Gate) verdict(j *Judgement, alpha float64) (Verdict, Reason) {
	if j.LogFail >= g.FailAt(alpha) {
		return Fail, g.failReason(j)
	}
	switch {
	case j.Total.NT == 0:
		return NoData, NoCandidateData
	case j.Total.NC == 0 && g.Method != None:
		return NoData, NoBaselineData
	case g.onlySuccesses(j.Total):
		return Undecided, OnlySuccesses
	case j.LogPass >= PassAt(alpha):
		return Pass, MarginProven
	}
	return Undecided, NotProvenYet
}

// failReason names the larger of the two terms of a fail.
func (g *Gate) failReason(j *Judgement) Reason {
	if len(g.Ceilings) > 0 && (g.Method == None || j.Ceiling >= stats.GateLogE(j.Pooled, j.PerStage, len(j.PerStage))) {
		return CeilingBroken
	}
	return HarmProven
}

// onlySuccesses: see OnlySuccesses. The router's own rates are never reported,
// so a candidate without errors is what it seems.
func (g *Gate) onlySuccesses(total stats.Stratum) bool {
	return g.Outcome && g.Complement && total.KT == 0 && total.KC == 0
}
