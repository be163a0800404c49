package frame

import (
	"strings"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// Measurement is the traffic between two statuses.
type Measurement struct {
	at        time.Time
	requests  float64
	PerSecond float64
}

// Measure counts on from an earlier Measurement. The rate is smoothed a little,
// so that the number can be read.
func Measure(before *Measurement, r *client.Rollout, now time.Time) Measurement {
	m := Measurement{at: now}
	for _, g := range r.Gates {
		if !strings.HasPrefix(g.Gate, "outcome:") && !strings.HasPrefix(g.Gate, "output:") { // Those count reports and values.
			m.requests = max(m.requests, g.Total.CandidateExposures+g.Total.BaselineExposures)
		}
	}
	if before == nil {
		return m
	}
	took := now.Sub(before.at).Seconds()
	if took < 0.5 {
		return *before
	}
	rate := max(0, m.requests-before.requests) / took
	if before.PerSecond > 0 {
		rate = 0.6*before.PerSecond + 0.4*rate
	}
	m.PerSecond = rate
	return m
}
