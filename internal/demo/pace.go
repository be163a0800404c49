package demo

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/loadgen"
)

const (
	// declaredP99 is the service time that a healthy server exceeds for one request in a hundred: 8 ms times e to the
	// power of 0.25 times 2.326, the normal's quantile.
	declaredP99 = 14300 * time.Microsecond
	// busyP99 is where a caller's latency says more about the machine than about the model.
	busyP99 = 2 * declaredP99
	// binWidth and bins are the histogram of latencies; the last bin has everything above.
	binWidth = time.Millisecond
	bins     = 512
	// Shares of requests that are too many: waiting for a place to be sent from, and missing from the rate.
	waitedShare, missingShare = 0.01, 0.1
	// fewAnswers are too few to say anything about a quantile.
	fewAnswers = 200
)

// pace watches whether the machine keeps up: it holds generator, router, models and engine at once, and where it is busy
// with something else, latencies are its own. It may be told of answers by many goroutines at once.
type pace struct {
	baseline [bins]atomic.Uint32 // latencies of answers of v1
	began    time.Time
	before   loadgen.Stats
	// advised is true once it has been said what to do about it.
	advised bool
}

// start begins anew.
func (p *pace) start(now loadgen.Stats) {
	p.began, p.before = time.Now(), now
	for i := range p.baseline {
		p.baseline[i].Store(0)
	}
}

// observe takes in an answer. What the baseline answered for a candidate took two tries, and does not count.
func (p *pace) observe(a loadgen.Answer) {
	if a.Err == nil && !a.Shielded && a.Arm != "candidate" {
		p.baseline[min(int(a.Latency/binWidth), bins-1)].Add(1)
	}
}

// p99 is the latency, rounded up, that one in a hundred answers of v1 exceeded, and of how many answers.
func (p *pace) p99() (latency time.Duration, of uint64) {
	for i := range p.baseline {
		of += uint64(p.baseline[i].Load())
	}
	var below uint64
	for i := range p.baseline {
		below += uint64(p.baseline[i].Load())
		if below*100 >= of*99 {
			return time.Duration(i+1) * binWidth, of
		}
	}
	return bins * binWidth, of
}

// complaints say what the machine could not do since the start; none as a rule. What to do about it is said once.
func (p *pace) complaints(rate float64, now loadgen.Stats) []string {
	var out []string
	due, waited, dropped := now.Due-p.before.Due, now.Waited-p.before.Waited, now.Dropped-p.before.Dropped
	sent := float64(now.Ended-p.before.Ended) / time.Since(p.began).Seconds()
	switch {
	case float64(waited) > waitedShare*float64(due):
		out = append(out, fmt.Sprintf("this machine does not keep up with %g requests a second: of %s that were due, %s had to wait, and "+
			"%s were never sent", rate, thousands(due), thousands(waited), thousands(dropped)))
	case sent < (1-missingShare)*rate:
		out = append(out, fmt.Sprintf("this machine sends %.0f of %g requests a second", sent, rate))
	}
	if latency, of := p.p99(); latency > busyP99 && of >= fewAnswers {
		out = append(out, fmt.Sprintf("this machine is busy: one in a hundred answers of v1 takes %d ms or more, where its server takes %.0f ms",
			latency.Milliseconds(), float64(declaredP99)/float64(time.Millisecond)))
	}
	if len(out) > 0 && !p.advised {
		p.advised = true
		out[len(out)-1] += fmt.Sprintf(". A slow version may not stand out; stop what else is running, or try --rate %g", rate/2)
	}
	return out
}
