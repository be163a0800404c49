package report

import (
	"fmt"
	"strconv"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
)

// Verdict is what became of a claim.
type Verdict string

// The verdicts.
const (
	Met         Verdict = "met"
	NotMet      Verdict = "not met"
	NotMeasured Verdict = "not measured"
)

// Claim is something that must hold, or that is aimed at.
type Claim struct {
	Text     string
	Measured string
	Must     string // empty where nothing must hold
	Verdict  Verdict
	Aim      string
	Reached  Verdict
}

// The names of proxies in the claims.
const (
	header   = "belay"
	inBody   = "belay-json"
	haproxy  = "haproxy"
	nginx    = "nginx"
	caddy    = "caddy"
	traefik  = "traefik"
	fast     = "traefik-fast"
	plain    = "reverseproxy"
	digits   = 2
	noBound  = 0
	ofMicros = " µs"
)

// Report is what was measured, to be written.
type Report struct{ Results *measure.Results }

// subject is the Belay that claims are about, for a quantity: the one that reads
// the body, where there is one.
func (r *Report) subject(q quantity) string {
	if len(r.of(inBody, q)) > 0 {
		return inBody
	}
	return header
}

// bound is a claim before it is measured.
type bound struct {
	text      string
	values    values
	must, aim float64
	unit      string // what follows a number
}

// Claims are all claims, and what became of them.
func (r *Report) Claims() []Claim {
	cpu, event, memory := r.subject(perRequest), r.subject(streamP50), r.subject(memIdle)
	opened, cheap := r.subject(openP50), r.subject(openCPU)
	against := func(rival string) values { return r.pairs(cpu, rival, perRequest, ratio) }
	bounds := []bound{
		{"CPU per request, saturated, against HAProxy with hash, statistics and log", against(haproxy), 1.6, 1.0, " ×"},
		{"the same against Traefik with fastProxy", against(fast), 0.65, 0.4, " ×"},
		{"the same against Traefik", against(traefik), 0.33, 0.22, " ×"},
		{"the same against Caddy", against(caddy), 0.27, 0.17, " ×"},
		{"the same against `httputil.ReverseProxy`", against(plain), 0.5, 0.3, " ×"},
		{"the same against nginx with `split_clients` and log", against(nginx), noBound, 1.2, " ×"},
		{"events of streams: added p50", r.added(event, streamP50), 25, 17, ofMicros},
		{"events of streams: added p99 against what nginx adds", r.addedAgainst(event, nginx, streamP99), 1, 0.6, " ×"},
		{"events of streams: CPU per event against nginx", r.pairs(event, nginx, perEvent, ratio), noBound, 1.7, " ×"},
		{fmt.Sprintf("resident memory with %d idle connections", r.Results.Settings.Idle), r.of(memory, memIdle), 40, 25, " MB"},
		{fmt.Sprintf("%v requests a second: added p50", r.Results.Settings.Rate), r.added(opened, openP50), noBound, 20, ofMicros},
		{"the same: added p99 against what HAProxy adds", r.addedAgainst(opened, haproxy, openP99), noBound, 1, " ×"},
		{"the same: CPU per request against HAProxy", r.pairs(cheap, haproxy, openCPU, ratio), noBound, 1.5, " ×"},
	}
	out := make([]Claim, len(bounds))
	for i, b := range bounds {
		out[i] = b.claim()
	}
	return out
}

// addedAgainst compares what two proxies add, within each repetition.
func (r *Report) addedAgainst(own, rival string, q quantity) values {
	return r.pairs(own, rival, func(c *measure.Cell) (float64, bool) {
		v, ok := q(c)
		for i := range r.Results.Cells {
			if d := &r.Results.Cells[i]; d.Proxy == measure.Direct && d.Repeat == c.Repeat {
				without, measured := q(d)
				return max(v-without, 1), ok && measured // Below 1 µs nothing is told apart.
			}
		}
		return 0, false
	}, ratio)
}

func (b *bound) claim() Claim {
	c := Claim{Text: b.text, Measured: "not measured", Aim: b.most(b.aim), Reached: b.judge(b.aim)}
	if b.must != noBound {
		c.Must, c.Verdict = b.most(b.must), b.judge(b.must)
	}
	if len(b.values) > 0 {
		c.Measured = b.values.text(b.places()) + b.unit
	}
	return c
}

// places are the digits after the point: ratios need two.
func (b *bound) places() int {
	if b.unit == " ×" {
		return digits
	}
	return 1
}

func (b *bound) most(v float64) string {
	return "≤ " + strconv.FormatFloat(v, 'f', -1, 64) + b.unit
}

func (b *bound) judge(most float64) Verdict {
	switch {
	case len(b.values) == 0:
		return NotMeasured
	case b.values.median() <= most:
		return Met
	}
	return NotMet
}
