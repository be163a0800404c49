package gate

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// temper raises the dispersions to those between windows of time, as far as there
// are enough windows for any. A stage that is too young for one of its own counts
// as dispersed as all strata up to it; so that of a finished stage stands still.
// Ceilings are limits of what the candidate does, bursts and all, and keep theirs.
func (g *Gate) temper(v View, s *Sample) {
	if g.Method == None {
		return
	}
	bursts := g.bursts(v)
	var all stats.Bursts
	for _, b := range bursts {
		all = all.Add(b)
	}
	phi, ok := all.Phi()
	if !ok {
		return
	}
	if len(s.Stages) == 0 {
		whole := s.Dispersion
		s.eachStage(func(stage, _, _ int) Dispersion {
			whole.Stage = stage
			return whole
		})
	}
	s.raise(phi)
	var upTo stats.Bursts
	first := 0
	for i := range s.Stages {
		d, own := &s.Stages[i], stats.Bursts{}
		for ; first < len(bursts) && s.Strata[first].Stage == d.Stage; first++ {
			own = own.Add(bursts[first])
		}
		upTo = upTo.Add(own)
		if phi, ok := own.Phi(); ok {
			d.raise(phi)
		} else if phi, ok := upTo.Phi(); ok {
			d.raise(phi)
		}
	}
}

// raise makes the dispersion of the comparison at least phi.
func (d *Dispersion) raise(phi float64) {
	phi = rounded(phi)
	d.Phi = max(d.Phi, phi)
	if d.PassPhi > 0 {
		d.PassPhi = max(d.PassPhi, phi)
	}
}

// bursts returns how much the bad events vary between the windows of each stratum.
func (g *Gate) bursts(v View) []stats.Bursts {
	var out []stats.Bursts
	v.active(g, func(_ int, s *evidence.Stratum) {
		var store [evidence.MaxWindows]stats.Stratum
		windows := g.windows(s.Windows, store[:0])
		if g.Method == Difference {
			out = append(out, stats.DiffBursts(windows, g.Slope))
			return
		}
		out = append(out, stats.RatioBursts(windows))
	})
	return out
}

// windows appends what the gate counts in each window, the bad events, to out.
func (g *Gate) windows(w *evidence.Windows, out []stats.Stratum) []stats.Stratum {
	exposed, reported := g.rows(w)
	for i := range min(len(exposed), len(reported)) {
		t, c := tallyIn(&exposed[i], &reported[i], split.Candidate), tallyIn(&exposed[i], &reported[i], split.Baseline)
		out = append(out, stats.Stratum{
			NT: float64(t.N), KT: events(&t, g.Complement),
			NC: float64(c.N), KC: events(&c, g.Complement),
		})
	}
	return out
}

func tallyIn(exposed, reported *evidence.Window, arm split.Arm) (t evidence.Tally) {
	t.N, _ = exposed.Of(arm)
	_, t.K = reported.Of(arm)
	return t
}

// rows are the windows that the gate's exposures and its events are read from:
// those of a rate, or of a quantile at its frozen edge where units come back.
func (g *Gate) rows(w *evidence.Windows) (exposed, reported []evidence.Window) {
	if w == nil {
		return nil, nil
	}
	rows, of, by := w.Rates, g.Series, g.Series
	if g.Kind == Quantile {
		rows, of, by = w.Tails, g.Tail, g.Tail
	} else if g.PerExposure {
		by = g.Exposures
	}
	if max(of, by) >= len(rows) {
		return nil, nil
	}
	return rows[by], rows[of]
}
