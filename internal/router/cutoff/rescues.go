package cutoff

import (
	"fmt"
	"slices"
	"time"
)

// The bounds of what the baseline may be asked to do in the candidate's place.
const (
	// rescueShare of the baseline's own requests.
	rescueShare = 0.10
	// leastRescues within the window before the share is looked at: a handful
	// of failures at start-up, or a candidate that fails one request in twenty
	// at a low rate, must not end a rollout. Below it the score decides.
	leastRescues = 100
	// rescueUnits that must have been rescued, as for the score: one caller's
	// poisoned requests never condemn a candidate.
	rescueUnits = 3
)

// rescues counts the requests that the baseline answered in the candidate's
// place, by second, with the first few units of each second.
type rescues struct {
	slot [slots]rescueSlot
}

type rescueSlot struct {
	second int64
	n      int
	units  [rescueUnits]uint64
	known  int
}

func (r *rescues) add(now time.Time, unit uint64) {
	s := &r.slot[now.Unix()&(slots-1)]
	if s.second != now.Unix() {
		*s = rescueSlot{second: now.Unix()}
	}
	s.n++
	s.note(unit)
}

func (s *rescueSlot) note(unit uint64) {
	if s.known < len(s.units) && !slices.Contains(s.units[:s.known], unit) {
		s.units[s.known] = unit
		s.known++
	}
}

// sum returns the rescues of the window and how many units they were of,
// counted up to rescueUnits.
func (r *rescues) sum(now time.Time) (n, units int) {
	var all rescueSlot
	for i := range r.slot {
		s := &r.slot[i]
		if age := now.Unix() - s.second; age < 0 || age >= longSpan {
			continue
		}
		n += s.n
		for _, u := range s.units[:s.known] {
			all.note(u)
		}
	}
	return n, all.known
}

// tooManyRescues trips when the rescues of the window exceed the share of the
// baseline's own requests, and the candidate fails more than p0 of its own. The
// second condition matters at high weights: at 99 % the baseline's own
// requests are so few that an error in a thousand would be a tenth of them.
func (g *Guard) tooManyRescues(now time.Time) bool {
	n, units := g.rescues.sum(now)
	if n < leastRescues || units < rescueUnits {
		return false
	}
	own, _ := g.baseline.sum(now, longSpan)
	sent, failed := g.candidate.sum(now, longSpan)
	p0, _ := g.rates(now)
	if float64(n) <= rescueShare*float64(own) || float64(failed) <= p0*float64(sent) {
		return false
	}
	g.cut(now, RescuesExceeded, fmt.Sprintf(
		"the baseline answered %d requests in the candidate's place within %d s beside %d of its own (limit %.0f%%); the candidate failed %d of %d",
		n, longSpan, own, 100*rescueShare, failed, sent))
	return true
}
