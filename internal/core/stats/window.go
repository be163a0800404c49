package stats

import "math"

// MinWindows is how many windows of time make a dispersion. Fewer say nothing:
// requests are assigned by chance, so that the dispersion is 1 unless the events
// of one arm come in bursts, and a gross outage in the first minutes, one window
// of a few that is unlike the others, must not pass for one.
const MinWindows = 30

// Bursts is how much the events vary between windows of time. A window deviates by
// its events less those expected, over the standard deviation if they were
// independent.
type Bursts struct {
	// Squares is the sum of the squared deviations, and Steps that of half the
	// squared differences between the deviations of neighbours. Both come to
	// Freedom if the events are independent.
	Squares, Steps float64
	// Freedom is the number of windows, less one for each stratum.
	Freedom int
}

// Add adds up what other windows vary, such as those of another stratum.
func (b Bursts) Add(o Bursts) Bursts {
	return Bursts{b.Squares + o.Squares, b.Steps + o.Steps, b.Freedom + o.Freedom}
}

// Phi returns the dispersion, the lesser of the two. It reports false where there
// are too few windows for one.
//
// Squares rise as well with a regression that sets in: after an hour of quiet it
// would pass for a burst until about half of all windows had it, and be found two
// to four times later. It is one step, while every burst makes two. So what comes
// to an end and comes again disperses, and what stays hardly does. What lasts no
// longer than a window counts in full, and more so as windows grow.
func (b Bursts) Phi() (phi float64, ok bool) {
	least := min(b.Squares, b.Steps)
	if b.Freedom < MinWindows-1 || !(least >= 0 && least < 1e100) {
		return 0, false
	}
	return least / float64(b.Freedom), true
}

// noted adds the deviation of the next window of a stratum; before is that of the
// one before it, NaN for the first.
func (b *Bursts) noted(deviation, before float64) {
	b.Squares += deviation * deviation
	if math.IsNaN(before) {
		return
	}
	b.Steps += (deviation - before) * (deviation - before) / 2
	b.Freedom++
}

// WindowPhi returns the dispersion for LogERatio from the windows of each
// stratum, in the order of time,
//
//	theta_b = q_b e^lam / (1 + q_b e^lam),  q_b = n_Tb/n_Cb
//	r_b = (k_Tb - K_b theta_b) / sqrt(K_b theta_b (1-theta_b))
//	phi = min( sum_b r_b^2, sum_b (r_b - r_{b-1})^2 / 2 ) / (B-1)
//
// the first being Pearson's statistic of "one ratio throughout" and the second the
// mean square successive difference (von Neumann, Annals of Mathematical
// Statistics 12, 1941),
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
	ratio, before, out := windowRatio(windows, sum), math.NaN(), Bursts{}
	for _, w := range windows {
		if w.speaks() {
			theta := w.NT * ratio / (w.NC + w.NT*ratio)
			events := w.KT + w.KC
			r := (w.KT - events*theta) / math.Sqrt(events*theta*(1-theta))
			out.noted(r, before)
			before = r
		}
	}
	return out
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
// d_b = p_Tb - m p_Cb around their mean d, weighted by the inverse of their
// variances v_b,
//
//	r_b = (d_b - d) / sqrt(v_b),  v_b = p_T (1-p_T)/n_Tb + m^2 p_C (1-p_C)/n_Cb
//
// with the rates such that p_T = d + m p_C gives the window as many events as it
// has (and times N/(N-1) for N exposures, which at d = 0 and m = 1 makes it
// Pearson's exactly).
func DiffBursts(windows []Stratum, m float64) Bursts {
	if !(m > 1e-9 && m < 1e9) {
		return Bursts{}
	}
	var store [64]windowDiff
	list := store[:0]
	for _, w := range windows {
		if !w.possible() {
			return Bursts{}
		}
		if w.speaks() && w.NT+w.NC > 1 {
			list = append(list, newWindowDiff(w, m))
		}
	}
	d := 0.0
	for range 2 { // The weights depend on the mean a little.
		d = meanDifference(list, d, m)
	}
	before, out := math.NaN(), Bursts{}
	for i := range list {
		if v := list[i].variance(d, m); v > 0 {
			r := (list[i].d - d) / math.Sqrt(v)
			out.noted(r, before)
			before = r
		}
	}
	return out
}

// windowDiff is the difference of a window, and what its variance is made of.
type windowDiff struct {
	d      float64
	pC, nT float64 // the baseline's rate is pC - nT d
	vT, vC float64 // factors of the arms' p(1-p)
}

func newWindowDiff(w Stratum, m float64) windowDiff {
	w = w.clamped()
	n, share := w.NT+w.NC, 1/(m*w.NT+w.NC)
	return windowDiff{
		d: w.KT/w.NT - m*w.KC/w.NC, pC: (w.KT + w.KC) * share, nT: w.NT * share,
		vT: n / ((n - 1) * w.NT), vC: m * m * n / ((n - 1) * w.NC),
	}
}

// variance returns the variance of the difference if the true one is d.
func (w *windowDiff) variance(d, m float64) float64 {
	pT := d + m*(w.pC-w.nT*d)
	pT = min(max(pT, 0, d), 1, m+d)
	pC := (pT - d) / m
	return w.vT*pT*(1-pT) + w.vC*pC*(1-pC)
}

// meanDifference returns the mean of the differences, weighted by the inverse of
// the variances that they have if it is about d.
func meanDifference(list []windowDiff, d, m float64) float64 {
	sum, weights := 0.0, 0.0
	for i := range list {
		if v := list[i].variance(d, m); v > 0 {
			sum += list[i].d / v
			weights += 1 / v
		}
	}
	if weights == 0 {
		return d
	}
	return sum / weights
}
