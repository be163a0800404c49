package rollout

import "time"

// Time is only what was watched. Every look says what time it is, and a clock may
// say anything: it is set forward or back, a machine sleeps, a process is
// restarted. So what lies between two looks counts only if it is as short as looks
// are apart (Input.MaxGap); else it counts for nothing: not as dwell, not as a
// silence, not towards a stage's longest duration or that of a fault. What counts
// from an earlier moment is put off by the gap, whichever way it went, and what
// the data plane is said to have done at a time that is yet to come is not
// believed. Thus a jump of the clock leads nowhere that a look without it would
// not have led to.

// countTime takes note of the time since the last look. It is dwell if the router
// served at the asked weight.
func (d *deciding) countTime() {
	s := &d.next
	gap := d.Now.Sub(s.SeenAt)
	switch {
	case s.SeenAt.IsZero():
	case d.MaxGap > 0 && (gap < 0 || gap > d.MaxGap):
		*s = s.Resume(d.Now)
	case gap > 0 && s.Phase != Pending && d.atWeight():
		s.Served += gap
	}
	s.SeenAt = d.Now
}

// Resume returns the state of a rollout that nobody watched since its last look,
// or whose clock was set since: the time in between counts for nothing.
func (s State) Resume(now time.Time) State {
	if !s.SeenAt.IsZero() && !s.StageAt.IsZero() && !now.Equal(s.SeenAt) {
		gap := now.Sub(s.SeenAt)
		s.StageFrom = s.StageSince().Add(gap)
		if f := s.Fault; f != nil {
			s.Fault = &Fault{Reason: f.Reason, Since: f.Since, From: f.Counted().Add(gap)}
		}
	}
	s.SeenAt, s.AwakeAt = now, now
	return s
}

// StageSince is since when the stage's longest duration counts.
func (s *State) StageSince() time.Time {
	if s.StageFrom.IsZero() {
		return s.StageAt
	}
	return s.StageFrom
}

// Warm is when the warm-up of the stratum in force ends.
func (s *State) Warm() time.Time {
	stratum := s.Stratum()
	return s.StageSince().Add(stratum.Warm.Sub(stratum.From))
}

// Counted is since when the fault counts as lasting.
func (f *Fault) Counted() time.Time {
	if f.From.IsZero() {
		return f.Since
	}
	return f.From
}

// believed is a moment of which the data plane speaks, or zero where it is yet to
// come: it was taken down before the clock was set back. Clocks of two machines
// are never quite the same.
func (d *deciding) believed(t time.Time) time.Time {
	if d.MaxGap > 0 && t.Sub(d.Now) > d.MaxGap {
		return time.Time{}
	}
	return t
}

// since is the latest of some moments, of the stage's beginning, and of that since
// when the loop has watched.
func (d *deciding) since(moments ...time.Time) time.Time {
	latest := d.next.StageSince()
	for _, t := range append(moments, d.next.AwakeAt) {
		if t = d.believed(t); latest.Before(t) {
			latest = t
		}
	}
	return latest
}

// lasts reports whether a fault of an earlier look goes on although the loop has
// not watched for long enough to find it again: nothing has happened since it
// began to watch that would end it.
func (d *deciding) lasts(reason Reason, ended time.Time) bool {
	f := d.State.Fault
	return d.MaxGap > 0 && f != nil && f.Reason == reason && !d.believed(ended).After(d.next.AwakeAt)
}

// faulty is how long a fault of an earlier look has lasted.
func (d *deciding) faulty(reason Reason) time.Duration {
	if f := d.next.Fault; d.MaxGap > 0 && f != nil && f.Reason == reason {
		return d.Now.Sub(f.Counted())
	}
	return 0
}
