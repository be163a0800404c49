package stats

import (
	"math"
	"testing"
)

// denseLogMix integrates the same integrand as curve.logMix by Simpson's rule
// on a very fine grid in a variable that crowds at 0, scale by scale.
func denseLogMix(value func(u float64) float64, end float64, p Prior) float64 {
	const n = 400000
	total := math.Inf(-1)
	for i := range p.scales {
		tau := p.tau[i]
		hi := math.Min(end, 60*tau)
		logs := make([]float64, n+1)
		for j := range logs {
			x := float64(j) / n
			u := hi * x * x * x
			logs[j] = math.Inf(-1)
			if x > 0 {
				v := 0.0
				v = value(u)
				logs[j] = v - u*u/(2*tau*tau) + math.Log(3*hi*x*x)
				if math.IsNaN(logs[j]) {
					logs[j] = math.Inf(-1)
				}
			}
			w := 2.0
			if j%2 == 1 {
				w = 4
			}
			if j == 0 || j == n {
				w = 1
			}
			logs[j] += math.Log(w / (3 * n))
		}
		e := LogSumExp(logs) + p.logW[i] + 0.5*math.Log(2/math.Pi) - math.Log(tau)
		total = LogSumExp([]float64{total, e})
	}
	return total
}

func TestDebug(t *testing.T) {
	ts := tilts{terms: []tilt{newTilt(4, 100, logit(.001), 1)}, phi: 1}
	p := Prior3(.5)
	t.Log(ts.logMix(p), denseLogMix(ts.value, math.Inf(1), p))
	c := curve{value: ts.value, slope: ts.slope, end: math.Inf(1)}
	for i := range 3 {
		b := c.survey(p.tau[i], p.logW[i], 0)
		t.Logf("%+v", b)
	}
}
