package stats

import "math"

// MinWindows is how many windows of time make a dispersion. Fewer say nothing.
//
// Requests are assigned by chance, so that within a window their events are
// independent, and a dispersion of 1 is right unless the events of one arm come
// in bursts. What comes in bursts shows in windows, but so does what sets in: a
// regression that begins is one window unlike the others, and among five it would
// pass for a burst. Among thirty it has been judged as long as it lasted in the
// window that is not complete yet, at the dispersion of those before; and when
// they are gross (most events of all are in that window and at one arm) the
// evidence divided by the dispersion still comes to about B/2 nats. So an outage
// is found in the first minutes, at the dispersion 1, and after an hour alike.
const MinWindows = 30

// Bursts is how much the events vary between windows of time.
type Bursts struct {
	// Squares is the sum of squared deviations, each over its variance if the
	// events were independent.
	Squares float64
	// Freedom are its degrees of freedom.
	Freedom int
}

// Add adds up what other windows vary, such as those of another stratum.
func (b Bursts) Add(o Bursts) Bursts {
	return Bursts{b.Squares + o.Squares, b.Freedom + o.Freedom}
}

// Phi returns the dispersion. It reports false where there are too few windows
// for one.
func (b Bursts) Phi() (phi float64, ok bool) {
	if b.Freedom < MinWindows-1 || !(b.Squares >= 0 && b.Squares < 1e100) {
		return 0, false
	}
	return b.Squares / float64(b.Freedom), true
}

// WindowPhi returns the dispersion for LogERatio from the windows of each
// stratum: Pearson's statistic of "the candidate's share of the events is that of
// one ratio throughout",
//
//	phi = sum_b (k_Tb - K_b theta_b)^2 / (K_b theta_b (1-theta_b)) / (B-1)
//	theta_b = q_b e^lam / (1 + q_b e^lam),  q_b = n_Tb/n_Cb
//
// with lam at the maximum likelihood of the stratum (held within plus or minus 5),
// over the B windows with events in which both arms were exposed; one degree of
// freedom is taken off for each stratum. It conditions on the events of a window,
// so that a rate that drifts and an incident that both arms share do not raise
// it.
//
// It reports false below MinWindows, and where a count cannot be.
func WindowPhi(strata ...[]Stratum) (phi float64, ok bool) {
	var all Bursts
	for _, windows := range strata {
		all = all.Add(RatioBursts(windows))
	}
	return all.Phi()
}

// RatioBursts is WindowPhi of one stratum, to be added to those of others.
func RatioBursts(windows []Stratum) Bursts {
	var sum Stratum
	kept := 0
	for _, w := range windows {
		if !w.possible() {
			return Bursts{}
		}
		if w.speaks() {
			sum = sum.plus(w)
			kept++
		}
	}
	if kept < 2 {
		return Bursts{}
	}
	ratio, squares := windowRatio(windows, sum), 0.0
	for _, w := range windows {
		if w.speaks() {
			theta := w.NT * ratio / (w.NC + w.NT*ratio)
			events := w.KT + w.KC
			u := w.KT - events*theta
			squares += u * u / (events * theta * (1 - theta))
		}
	}
	return Bursts{squares, kept - 1}
}

// speaks reports whether a window has events, and both arms to compare.
func (s Stratum) speaks() bool { return s.comparable() && s.KT+s.KC > 0 }

func (s Stratum) plus(o Stratum) Stratum {
	return Stratum{NT: s.NT + o.NT, KT: s.KT + o.KT, NC: s.NC + o.NC, KC: s.KC + o.KC}
}

// windowRatio returns the ratio of the rates at the maximum likelihood, held
// within e to the plus or minus 5. The ratio of the sums is that already where
// the exposures have the same ratio in all windows.
func windowRatio(windows []Stratum, sum Stratum) float64 {
	hold := func(lam float64) float64 { return max(-maxLogRatio, min(lam, maxLogRatio)) }
	lam := hold(math.Log(sum.KT*sum.NC) - math.Log(sum.KC*sum.NT))
	for range 20 {
		ratio, score, information := math.Exp(lam), sum.KT, 0.0
		for _, w := range windows {
			if w.speaks() {
				theta := w.NT * ratio / (w.NC + w.NT*ratio)
				score -= (w.KT + w.KC) * theta
				information += (w.KT + w.KC) * theta * (1 - theta)
			}
		}
		next := hold(lam + score/information)
		if !(math.Abs(next-lam) > 1e-6) {
			break
		}
		lam = next
	}
	return math.Exp(lam)
}

// DiffBursts is RatioBursts for LogEDiff with the slope m: of the differences
// d_b = p_Tb - m p_Cb around their weighted mean d,
//
//	sum_b (d_b - d)^2 / (p_T (1-p_T)/n_Tb + m^2 p_C (1-p_C)/n_Cb)
//
// with the weights n_T n_C/(m^2 n_T + n_C), and the rates in the variance such
// that p_T = d + m p_C gives the window as many events as it has (times N/(N-1)
// for N exposures, which at d = 0 makes it Pearson's exactly).
func DiffBursts(windows []Stratum, m float64) Bursts {
	if !(m > 1e-9 && m < 1e9) {
		return Bursts{}
	}
	sum, weights := 0.0, 0.0
	for _, w := range windows {
		if !w.possible() {
			return Bursts{}
		}
		if w.speaks() {
			weight := w.NT * w.NC / (m*m*w.NT + w.NC)
			sum += weight * w.difference(m)
			weights += weight
		}
	}
	if weights == 0 {
		return Bursts{}
	}
	d, out := sum/weights, Bursts{Freedom: -1}
	for _, w := range windows {
		if !w.speaks() {
			continue
		}
		if v := w.differenceVariance(d, m); v > 0 {
			u := w.difference(m) - d
			out.Squares += u * u / v
			out.Freedom++
		}
	}
	if out.Freedom < 1 {
		return Bursts{}
	}
	return out
}

// difference returns p_T - m p_C.
func (s Stratum) difference(m float64) float64 {
	return min(s.KT/s.NT, 1) - m*min(s.KC/s.NC, 1)
}

// differenceVariance returns the variance of a window's difference if the true
// one is d.
func (s Stratum) differenceVariance(d, m float64) float64 {
	events := min(s.KT, s.NT) + min(s.KC, s.NC)
	pC := (events - s.NT*d) / (m*s.NT + s.NC)
	pC = min(max(pC, 0, -d/m), 1, (1-d)/m)
	pT := d + m*pC
	n := s.NT + s.NC
	if n <= 1 {
		return 0
	}
	return (pT*(1-pT)/s.NT + m*m*pC*(1-pC)/s.NC) * n / (n - 1)
}
