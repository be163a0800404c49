package contract

import (
	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// distributionOf is what a drift compares; nil for none.
func distributionOf(d *gate.Distribution) *api.Distribution {
	if d == nil {
		return nil
	}
	out := &api.Distribution{
		Stage: d.Stage, Psi: finite(d.PSI), Bins: make([]api.Bin, len(d.Bins)),
		CandidateMissing: missing(d.Read[split.Candidate]), BaselineMissing: missing(d.Read[split.Baseline]),
	}
	for i := range d.Bins {
		out.CandidateValues += count(d.Bins[i].Counts[split.Candidate])
		out.BaselineValues += count(d.Bins[i].Counts[split.Baseline])
	}
	for i := range d.Bins {
		b := &d.Bins[i]
		bin := api.Bin{
			From: finite(b.Low), Below: finite(b.High), Single: b.Single(), Class: b.Name,
			CandidateCount: count(b.Counts[split.Candidate]), BaselineCount: count(b.Counts[split.Baseline]),
		}
		bin.CandidateShare, bin.BaselineShare = share(bin.CandidateCount, out.CandidateValues), share(bin.BaselineCount, out.BaselineValues)
		out.Bins[i] = bin
	}
	return out
}

// missing is the share of what was looked for and not found.
func missing(c evidence.OutputCount) float64 {
	return share(count(c.Missing), count(c.Missing)+count(c.Values))
}

// share is a part of a whole, 0 of nothing.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
