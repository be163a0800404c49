package contest

import "slices"

// Cell is what became of a case at a rate.
type Cell struct {
	Case string `json:"case"`
	Rate int    `json:"rate"` // requests a minute
	// Critical is whether the harm is critical by definition.
	Critical bool `json:"critical,omitempty"`
	// Rules are by name.
	Rules map[string]*Tally `json:"rules"`
}

// Tally is what became of the rollouts of one rule.
type Tally struct {
	Reps       int `json:"reps"`
	Promoted   int `json:"promoted"`
	RolledBack int `json:"rolledBack"`
	Held       int `json:"held"`
	// Early are those that were stopped (rolled back or, where that is what a
	// gate does, held) while the candidate never had more than a tenth of the
	// traffic; Whole those in which it ever had all of it.
	Early int `json:"early"`
	Whole int `json:"whole"`
	// Minutes are, of those that were rolled back, the minutes since the harm
	// began, or since the start where there is none; sorted.
	Minutes []int `json:"minutes,omitempty"`
	// The sums over all rollouts of what a Play has under these names.
	Harmed      float64 `json:"harmed"`
	Failed      float64 `json:"failed"`
	Users       float64 `json:"users,omitempty"`
	FailedUsers float64 `json:"failedUsers,omitempty"`
	Exposed     float64 `json:"exposed"`
	// By is how often a gate or a metric was what an ending was about.
	By map[string]int `json:"by,omitempty"`
}

// tenth is the weight up to which a regression counts as caught early.
const tenth = 0.10 + 1e-9

func (t *Tally) add(p Play) {
	t.Reps++
	switch p.Ending {
	case Promoted:
		t.Promoted++
	case Held:
		t.Held++
	case RolledBack:
		t.RolledBack++
		t.Minutes = append(t.Minutes, p.Minute-max(p.Onset, 0))
	}
	if p.Ending != Promoted && p.Weight <= tenth {
		t.Early++
	}
	if p.Whole {
		t.Whole++
	}
	t.Harmed += p.Harmed
	t.Failed += p.Failed
	t.Users += p.Users
	t.FailedUsers += p.FailedUsers
	t.Exposed += p.Exposed
	if p.By != "" {
		if t.By == nil {
			t.By = map[string]int{}
		}
		t.By[p.By]++
	}
}

// merge adds the rollouts of another tally.
func (t *Tally) merge(o *Tally) {
	t.Reps += o.Reps
	t.Promoted += o.Promoted
	t.RolledBack += o.RolledBack
	t.Held += o.Held
	t.Early += o.Early
	t.Whole += o.Whole
	t.Minutes = append(t.Minutes, o.Minutes...)
	slices.Sort(t.Minutes)
	t.Harmed += o.Harmed
	t.Failed += o.Failed
	t.Users += o.Users
	t.FailedUsers += o.FailedUsers
	t.Exposed += o.Exposed
	for by, n := range o.By {
		if t.By == nil {
			t.By = map[string]int{}
		}
		t.By[by] += n
	}
}

// Median is the median of the minutes; 0 without any.
func (t *Tally) Median() int {
	if len(t.Minutes) == 0 {
		return 0
	}
	return t.Minutes[len(t.Minutes)/2]
}
