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
	// Guard asks for harm alone: nothing passes.
	Guard bool
}

// Judgement is a verdict with everything that it rests on.
type Judgement struct {
	Gate string `json:"gate"`
	// Segment is the part of the traffic that was judged; empty for the whole.
	Segment string  `json:"segment,omitempty"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	// LogFail and LogPass are the natural logarithms of the gate's e-values.
	LogFail float64 `json:"logFail"`
	LogPass float64 `json:"logPass"`
	// LogWithin is the e-value for "inside the stage's tolerance", where the stage
	// has one and the gate has not passed.
	LogWithin float64 `json:"logWithin,omitempty"`
	// Pooled and PerStage are the terms of the margin in LogFail: all strata
	// together, and each stage by itself, from the gate's first on.
	Pooled   float64   `json:"pooled"`
	PerStage []float64 `json:"perStage,omitempty"`
	// Ceiling is the term of the ceilings, averaged over the same scopes;
	// CeilingStages are its stages.
	Ceiling       float64   `json:"ceiling"`
	CeilingStages []float64 `json:"ceilingStages,omitempty"`
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
// judgement of an earlier sample of the same gate in the same plan or nil, only
// saves the work of judging again what has not changed.
func (g *Gate) Judge(s Sample, at Place, prev *Judgement) Judgement {
	j := Judgement{Gate: g.Name, Sample: s, Here: s.total(at.Stage), Total: s.total(all)}
	if at.Stage < g.From {
		j.Verdict, j.Reason = Off, NotYetActive
		return j
	}
	if prev.covers(&s, at.Stage-g.From+1) {
		j.LogFail, j.LogPass, j.Pooled, j.PerStage = prev.LogFail, prev.LogPass, prev.Pooled, prev.PerStage
		j.Ceiling, j.CeilingStages = prev.Ceiling, prev.CeilingStages
	} else {
		g.weigh(&j, at, prev)
		j.LogFail, j.LogPass = bounded(j.LogFail), bounded(j.LogPass)
	}
	j.Verdict, j.Reason = g.verdict(&j, at)
	return j
}

// covers reports whether j was judged on the same sample, at the same number of
// stages.
func (j *Judgement) covers(s *Sample, stages int) bool {
	return j != nil && max(len(j.PerStage), len(j.CeilingStages)) == stages && j.Sample.equal(s)
}

// bounded keeps a logarithm in a range that can be stored and averaged; what is
// no number is no evidence.
func bounded(logE float64) float64 {
	if math.IsNaN(logE) {
		return 0
	}
	return min(max(logE, -1e9), 1e9)
}

// weigh works out the e-values. Margin and ceilings are averaged, so that the
// gate spends its share of alpha once.
func (g *Gate) weigh(j *Judgement, at Place, prev *Judgement) {
	if g.Kind == Drift {
		g.weighDrift(j, at, prev)
		return
	}
	planned := at.Stages - g.From
	if g.Method != None {
		margin := func(stage int) float64 { return g.test(&j.Sample, stage).fail(g.margin()) }
		j.Pooled = bounded(margin(all))
		j.PerStage = g.perStage(j, at, prev.margins(), margin)
		j.LogFail = stats.GateLogE(j.Pooled, j.PerStage, planned)
		if !at.Guard {
			j.LogPass = g.test(&j.Sample, all).pass(g.margin())
		}
	}
	if len(g.Ceilings) == 0 {
		return
	}
	ceilings := func(stage int) float64 { return g.logCeilings(&j.Sample, stage, stats.Up) }
	j.CeilingStages = g.perStage(j, at, prev.ceilings(), ceilings)
	j.Ceiling = bounded(stats.GateLogE(ceilings(all), j.CeilingStages, planned))
	if g.Method == None {
		j.LogFail = j.Ceiling
		if !at.Guard {
			j.LogPass = g.logCeilings(&j.Sample, all, stats.Down)
		}
		return
	}
	j.LogFail = stats.LogMeanExp([]float64{j.LogFail, j.Ceiling})
}

// known are the terms of an earlier judgement, by stage.
type known struct {
	sample *Sample
	terms  []float64
}

// margins returns the margin's terms.
func (j *Judgement) margins() known {
	if j == nil {
		return known{}
	}
	return known{&j.Sample, j.PerStage}
}

// ceilings returns the ceilings' terms.
func (j *Judgement) ceilings() known {
	if j == nil {
		return known{}
	}
	return known{&j.Sample, j.CeilingStages}
}

// perStage returns a term for each stage from the gate's first to the current.
func (g *Gate) perStage(j *Judgement, at Place, before known, term func(stage int) float64) []float64 {
	out := make([]float64, at.Stage-g.From+1)
	for i := range out {
		stage := g.From + i
		if i < len(before.terms) && before.sample.same(&j.Sample, stage) {
			out[i] = before.terms[i]
			continue
		}
		out[i] = bounded(term(stage))
	}
	return out
}

// logCeilings is the mean e-value of the ceilings against "at most the limit"
// (dir Up), or the least of them against "at or above it" (dir Down), over the
// strata of one stage or of all.
func (g *Gate) logCeilings(s *Sample, stage int, dir stats.Dir) float64 {
	var store [2]float64
	logs := store[:0]
	for i := range g.Ceilings {
		logs = append(logs, g.logCeiling(s, stage, i, dir))
	}
	if dir == stats.Down {
		return slices.Min(logs)
	}
	return stats.LogMeanExp(logs)
}

// logCeiling is the e-value of one ceiling. The limits of rates and quantiles
// are such of a bad event, so that beyond is always up.
func (g *Gate) logCeiling(s *Sample, stage, i int, dir stats.Dir) float64 {
	c := &g.Ceilings[i]
	beyond := dir
	if c.Complement {
		beyond = -dir
	}
	switch g.Kind {
	case Mean:
		return logMeanLimit(s.plain(stage), c.Limit, beyond)
	case Gauge:
		return logGaugeLimit(s.gauges(stage), c.Limit, beyond)
	case Rate, Quantile, Drift:
	}
	return stats.LogEBernoulli(s.over(stage, i), s.total(stage).NT, c.Limit, s.at(stage).CeilingPhi, dir, stats.Prior3(eventPrior))
}

// verdict reads the e-values.
func (g *Gate) verdict(j *Judgement, at Place) (Verdict, Reason) {
	if j.LogFail >= g.FailAt(at.Alpha) {
		return Fail, g.FailReason(j, at)
	}
	switch {
	case j.Total.NT == 0:
		return NoData, NoCandidateData
	case j.Total.NC == 0 && g.Method != None:
		return NoData, NoBaselineData
	case g.onlySuccesses(j.Total):
		return Undecided, OnlySuccesses
	case j.LogPass >= PassAt(at.Alpha):
		return Pass, MarginProven
	}
	return Undecided, NotProvenYet
}

// FailReason names the larger of the two terms of a fail.
func (g *Gate) FailReason(j *Judgement, at Place) Reason {
	if len(g.Ceilings) > 0 && (g.Method == None || j.Ceiling >= stats.GateLogE(j.Pooled, j.PerStage, at.Stages-g.From)) {
		return CeilingBroken
	}
	return HarmProven
}

// onlySuccesses: see OnlySuccesses. The router's own rates are never reported,
// so a candidate without errors is what it seems.
func (g *Gate) onlySuccesses(total stats.Stratum) bool {
	switch {
	case !g.Outcome || g.Kind != Rate || g.PerExposure || !g.wantsSuccess():
		return false
	case g.Complement: // The counts are of failures.
		return total.KT == 0 && total.KC == 0
	}
	return total.KT == total.NT && total.KC == total.NC
}

// wantsSuccess reports whether the gate's series counts what should happen.
func (g *Gate) wantsSuccess() bool {
	return g.harmIsDown() || slices.ContainsFunc(g.Ceilings, func(c Ceiling) bool { return c.Complement })
}
