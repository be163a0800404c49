package rule

// phase is the outcome of one measurement.
type phase int

const (
	successful phase = iota
	failed
	inconclusive
	errored // no value
)

// queries are what a tool asks its metrics provider for, once a minute: failures
// and the 99th percentile of the last minute, business metrics of the last hour,
// because a minute has too few of them for anybody to watch.
type queries struct {
	Config
	relative bool
	hour     trailing
}

// hourly is how far back business metrics are asked for, in minutes.
const hourly = 60

func newQueries(c Config, relative bool) *queries {
	return &queries{Config: c, relative: relative, hour: trailing{over: hourly}}
}

// see takes the next window in.
func (q *queries) see(w *Window) { q.hour.add(w) }

// measure returns what a metric shows now.
func (q *queries) measure(w *Window, m Metric) phase {
	arms := &w.Arms
	if m == Conversion || m == Revenue || m == Quality {
		arms = &q.hour.sum
	}
	candidate, ok := value(&arms[Candidate], m)
	if !ok {
		return errored
	}
	limit := q.limit(m)
	if q.relative {
		baseline, ok := value(&arms[Baseline], m)
		if !ok {
			return errored
		}
		limit = baseline * q.Margins[m]
	}
	if m.worse(candidate, limit) > 0 {
		return failed
	}
	return successful
}

// value is the scalar that a query returns.
func value(s *Seen, m Metric) (v float64, ok bool) {
	if m == Latency {
		return s.P99, s.P99 > 0
	}
	return s.Of[m].Mean(), s.Of[m].N > 0
}

// slack are the factors on the usual values at which absolute limits lie: limits
// as service levels have them, with room above what is usual.
var slack = [Metrics]float64{Errors: 2, Latency: 1.5, Conversion: 0.8, Revenue: 0.7, Quality: 0.95}

func (q *queries) limit(m Metric) float64 { return slack[m] * q.Usual[m] }
