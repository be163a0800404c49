package rule

// State is where a rollout stands.
type State int

// The states.
const (
	Running State = iota
	Promoted
	RolledBack
)

// String is the state as people write it.
func (s State) String() string { return [...]string{"running", "promoted", "rolled back"}[s] }

// Act is what follows from a look.
type Act struct {
	State State
	// Weight is the candidate's share of the next minute's traffic.
	Weight float64
	// Metric is what a rollback was about; -1 where it was about none.
	Metric Metric
}

// None is the metric of an act that is about none.
const None Metric = -1

// Rule is one rollout under a rule. Looks come in order, one for each minute,
// until the state is no longer Running.
type Rule interface {
	// Start is the weight of the first minute.
	Start() float64
	Look(w *Window) Act
}

// Config is what the user of a tool writes down: what to judge, and by what.
type Config struct {
	Judged []Metric
	// Usual is what the baseline usually shows: the 99th percentile in seconds for
	// Latency, shares and means for the others. Absolute limits come from it.
	Usual [Metrics]float64
	// Margins are the factors on the baseline's value that are still tolerated.
	Margins [Metrics]float64
	// SlowMargin is the factor on the share of slow requests that the margin on
	// the latency amounts to.
	SlowMargin float64
}

// ladder is a number of steps of the same length.
type ladder struct {
	weights []float64
	dwell   int // minutes of each step
}

// common is the ladder of those tools that can be given any: the default of
// Belay, without its last stage.
var common = ladder{weights: []float64{0.01, 0.10, 0.25, 0.50}, dwell: 120}

// at returns the step in which a minute lies, counted from 0; len(weights) when
// all are over.
func (l ladder) at(minute int) int { return min(minute/l.dwell, len(l.weights)) }

// next is the act when nothing speaks against going on at a minute.
func (l ladder) next(minute int) Act {
	if step := l.at(minute); step < len(l.weights) {
		return going(l.weights[step])
	}
	return promoted()
}

func going(weight float64) Act { return Act{Running, weight, None} }
func promoted() Act            { return Act{Promoted, 1, None} }
func rolledBack(m Metric) Act  { return Act{RolledBack, 0, m} }
