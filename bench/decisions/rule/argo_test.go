package rule

import "testing"

func TestArgoCounters(t *testing.T) {
	t.Parallel()
	s, f, i, e := successful, failed, inconclusive, errored
	tests := map[string]struct {
		limits argoLimits
		seen   []phase
		want   argoStatus
	}{
		"one failure ends the default":                       {argoLimits{consecutiveError: 4}, []phase{s, s, f}, argoFailed},
		"as many failures as the limit are tolerated":        {argoLimits{failure: 3, consecutiveError: 4}, []phase{f, s, f, s, f, s, s}, argoRunning},
		"failures are counted for ever":                      {argoLimits{failure: 3, consecutiveError: 4}, []phase{f, s, f, s, f, s, s, s, f}, argoFailed},
		"one inconclusive measurement ends the default":      {argoLimits{consecutiveError: 4}, []phase{s, i}, argoInconclusive},
		"four errors in a row are tolerated":                 {argoLimits{consecutiveError: 4}, []phase{e, e, e, e}, argoRunning},
		"the fifth error in a row ends the run":              {argoLimits{consecutiveError: 4}, []phase{s, e, e, e, e, e}, argoError},
		"anything else than an error resets them":            {argoLimits{failure: 1, consecutiveError: 4}, []phase{e, e, e, e, f, e, e, e, e}, argoRunning},
		"of two broken limits the later one counts":          {argoLimits{consecutiveError: 0}, []phase{f, e}, argoError},
		"a count that is reached is a success":               {argoLimits{count: 3, consecutiveError: 4}, []phase{s, e, s, s}, argoSuccessful},
		"errors do not add to the count":                     {argoLimits{count: 3, consecutiveError: 4}, []phase{s, e, e, s}, argoRunning},
		"successes in a row can suffice":                     {argoLimits{failure: 9, consecutiveSuccess: 2, consecutiveError: 4}, []phase{s, f, s, s}, argoSuccessful},
		"an error breaks successes in a row":                 {argoLimits{failure: 9, consecutiveSuccess: 2, consecutiveError: 4}, []phase{s, e, s}, argoRunning},
		"a count without the successes in a row is unclear":  {argoLimits{failure: 9, count: 3, consecutiveSuccess: 3, consecutiveError: 4}, []phase{s, s, f}, argoInconclusive},
		"and a failure where failures are not limited":       {argoLimits{failure: -1, count: 3, consecutiveSuccess: 3, consecutiveError: 4}, []phase{s, s, f}, argoFailed},
		"without a failure limit no failure ends the run":    {argoLimits{failure: -1, consecutiveError: 4}, []phase{f, f, f, f, f, f}, argoRunning},
		"without an inconclusive limit the run goes on":      {argoLimits{inconclusive: -1, consecutiveError: 4}, []phase{i, i, i}, argoRunning},
		"nothing measured yet is running":                    {argoLimits{consecutiveError: 4}, nil, argoRunning},
		"a failure beside an inconclusive one: inconclusive": {argoLimits{consecutiveError: 4}, []phase{f, i}, argoInconclusive},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m argoMetric
			for _, p := range tt.seen {
				m.add(p)
			}
			if got := m.assess(tt.limits); got != tt.want {
				t.Errorf("%v, want %v (%+v)", got, tt.want, m)
			}
		})
	}
}

func TestArgoAbortsAtTheFailureBeyondTheLimit(t *testing.T) {
	t.Parallel()
	act, at := play(NewArgo(usual, 0, false), 600, from(7))
	want(t, act, at, RolledBack, 7)
	act, at = play(NewArgo(usual, 3, false), 600, from(7))
	want(t, act, at, RolledBack, 10)
	every10 := func(at int) *Window {
		if at%10 == 0 {
			return broken()
		}
		return healthy()
	}
	act, at = play(NewArgo(usual, 3, false), 600, every10)
	want(t, act, at, RolledBack, 40)
}

func TestArgoStepsGoByTimeAlone(t *testing.T) {
	t.Parallel()
	a := NewArgo(usual, 3, false)
	for at, weight := range map[int]float64{1: 0.01, 119: 0.01, 120: 0.1, 360: 0.5} {
		w := healthy()
		w.Minute = at
		if got := a.Look(w); got.Weight != weight {
			t.Errorf("minute %d: weight %v, want %v", at, got.Weight, weight)
		}
	}
	act, at := play(NewArgo(usual, 3, false), 600, func(at int) *Window {
		if at == 100 || at == 300 || at == 470 { // Three failures in all.
			return broken()
		}
		return healthy()
	})
	want(t, act, at, Promoted, 480)
}

func TestArgoCountsEachMetricByItself(t *testing.T) {
	t.Parallel()
	alternating := func(at int) *Window {
		switch at {
		case 1, 2, 3:
			return broken()
		case 4, 5, 6:
			return minute(arm(1000, 5, 0.9)) // Slow.
		}
		return healthy()
	}
	act, at := play(NewArgo(usual, 3, false), 600, alternating)
	want(t, act, at, Promoted, 480)
}

func TestArgoEndsAfterFiveWindowsWithoutARequest(t *testing.T) {
	t.Parallel()
	empty := func() *Window { return minute(Seen{}) }
	act, at := play(NewArgo(usual, 3, false), 600, always(empty))
	want(t, act, at, RolledBack, 5)
	act, at = play(NewArgo(usual, 3, false), 600, func(at int) *Window {
		if at%5 != 0 {
			return empty()
		}
		return healthy()
	})
	want(t, act, at, Promoted, 480)
}

func TestARelativeLimitFollowsTheBaseline(t *testing.T) {
	t.Parallel()
	incident := func(at int) *Window {
		w := broken()
		w.Arms[Baseline] = w.Arms[Candidate]
		return w
	}
	act, _ := play(NewArgo(usual, 3, true), 600, incident)
	if act.State != Promoted {
		t.Errorf("both arms fail alike: %v", act.State)
	}
	act, at := play(NewArgo(usual, 3, false), 600, incident)
	want(t, act, at, RolledBack, 4)
}

func TestBusinessMetricsAreAskedForOverAnHour(t *testing.T) {
	t.Parallel()
	q := newQueries(judging(Conversion), false)
	for at := 1; at <= 120; at++ {
		w := &Window{Minute: at}
		w.Arms[Candidate].Of[Conversion] = Events(0, 10)
		if at%4 == 0 { // 5 in 100 over an hour, in single minutes.
			w.Arms[Candidate].Of[Conversion] = Events(2, 10)
		}
		q.see(w)
		if got := q.measure(w, Conversion); at >= 60 && got != successful {
			t.Fatalf("minute %d: %v", at, got)
		}
	}
}

func TestTheLimitsAreAtTheirPlaces(t *testing.T) {
	t.Parallel()
	set := func(m Metric, v float64) *Window {
		w := &Window{}
		for arm := range w.Arms {
			w.Arms[arm].P99 = usual.Usual[Latency]
			for m := range w.Arms[arm].Of {
				w.Arms[arm].Of[m] = Moments{N: 1000, Sum: 1000 * usual.Usual[m]}
			}
		}
		w.Arms[Candidate].Of[m].Sum = 1000 * v
		if m == Latency {
			w.Arms[Candidate].P99 = v
		}
		return w
	}
	for m := range Metrics {
		for _, relative := range []bool{false, true} {
			limit := slack[m] * usual.Usual[m]
			if relative {
				limit = usual.Margins[m] * usual.Usual[m]
			}
			good, bad := limit*0.999, limit*1.001
			if !m.Up() {
				good, bad = bad, good
			}
			for v, want := range map[float64]phase{good: successful, bad: failed} {
				q := newQueries(judging(m), relative)
				w := set(m, v)
				q.see(w)
				if got := q.measure(w, m); got != want {
					t.Errorf("%v %v (relative %v, limit %v): %v, want %v", m, v, relative, limit, got, want)
				}
			}
		}
	}
}
