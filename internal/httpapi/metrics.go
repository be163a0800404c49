package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
)

// Metrics are what a server counts, for Prometheus. The parts of the engine tell
// them by plain functions, so none of them needs to know of Prometheus.
type Metrics struct {
	registry    *prometheus.Registry
	decisions   *prometheus.CounterVec
	outcome     *prometheus.CounterVec
	windows     *prometheus.CounterVec
	tick        prometheus.Histogram
	stores      *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
}

// NewMetrics returns metrics with everything at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belay_decisions_total", Help: "Decisions that were stored, by kind and reason.",
		}, []string{"kind", "reason"}),
		outcome: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belay_outcomes_total", Help: "Outcomes that were reported, by what was made of them.",
		}, []string{"result"}),
		windows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belay_resource_windows_total", Help: "Windows of resources of the servers, by what became of them: complete, or why they were dropped.",
		}, []string{"result"}),
		tick: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "belay_tick_interval_seconds", Help: "Time between two looks at the same rollout: the tick, unless the loop falls behind.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 0.9, 1.1, 1.5, 2, 3, 5, 10, 30},
		}),
		stores: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "belay_store_seconds", Help: "Time of durable writes, by what was written.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}, []string{"operation"}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belay_store_errors_total", Help: "Durable writes that failed, by what was to be written.",
		}, []string{"operation"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belay_api_requests_total", Help: "Requests to the API, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "belay_api_request_seconds", Help: "Time of requests to the API, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 9),
		}, []string{"route"}),
	}
	m.registry.MustRegister(
		m.decisions, m.outcome, m.windows, m.tick, m.stores, m.storeErrors, m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, operation := range []string{"create", "commit", "flush", "intend"} {
		m.storeErrors.WithLabelValues(operation)
	}
	for _, result := range []string{"accepted", "repeated", "unattributed", "refused"} {
		m.outcome.WithLabelValues(result)
	}
	for _, why := range []query.Missing{"", query.Unreachable, query.NoSeries} {
		m.windows.WithLabelValues(windowResult(why))
	}
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Decided counts a decision that was stored.
func (m *Metrics) Decided(kind rollout.Kind, reason rollout.Reason) {
	m.decisions.WithLabelValues(string(kind), string(reason)).Inc()
}

// Ticked counts one look at a rollout, by the time since the look before.
func (m *Metrics) Ticked(since time.Duration) { m.tick.Observe(since.Seconds()) }

// Stored counts one durable write.
func (m *Metrics) Stored(operation string, took time.Duration, failed bool) {
	m.stores.WithLabelValues(operation).Observe(took.Seconds())
	if failed {
		m.storeErrors.WithLabelValues(operation).Inc()
	}
}

// Sampled counts one window of a resource: complete, or dropped for a reason.
func (m *Metrics) Sampled(why query.Missing) { m.windows.WithLabelValues(windowResult(why)).Inc() }

func windowResult(why query.Missing) string {
	if why == "" {
		return "complete"
	}
	return string(why)
}

func (m *Metrics) outcomes(r ledger.Result) {
	m.outcome.WithLabelValues("accepted").Add(float64(r.Accepted))
	m.outcome.WithLabelValues("repeated").Add(float64(r.Repeated))
	m.outcome.WithLabelValues("unattributed").Add(float64(r.Unattributed))
	m.outcome.WithLabelValues("refused").Add(float64(len(r.Refused)))
}

func (m *Metrics) request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	if route != "GET /api/v1/events" { // A stream lasts for as long as its reader likes.
		m.seconds.WithLabelValues(route).Observe(took.Seconds())
	}
}

// RouterCount is how many requests of a model an arm answered, by class of
// status: 2xx, 4xx, 5xx, or error without an answer.
type RouterCount struct {
	Model, Arm, Class string
	Requests          uint64
}

// WatchRouter reads the router's own counts at every scrape.
func (m *Metrics) WatchRouter(read func() []RouterCount) {
	m.registry.MustRegister(&routerCollector{read: read, desc: prometheus.NewDesc(
		"belay_router_requests_total", "Requests that were routed, by model, arm and class of status.",
		[]string{"model", "arm", "class"}, nil,
	)})
}

// WatchOutcomes reads at every scrape how many outcomes wait for the age of their
// exposure.
func (m *Metrics) WatchOutcomes(waiting func() uint64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "belay_outcomes_waiting", Help: "Outcomes that were accepted and wait until their exposure is as old as the gate's horizon.",
	}, func() float64 { return float64(waiting()) }))
}

type routerCollector struct {
	read func() []RouterCount
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *routerCollector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector.
func (c *routerCollector) Collect(out chan<- prometheus.Metric) {
	for _, n := range c.read() {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n.Requests), n.Model, n.Arm, n.Class)
	}
}

// WatchRollouts counts rollouts by phase at every scrape.
func (m *Metrics) WatchRollouts(r Reader) {
	m.registry.MustRegister(&rolloutCollector{reader: r, desc: prometheus.NewDesc(
		"belay_rollouts", "Rollouts that are kept (the newest 1000), by phase.", []string{"phase"}, nil,
	), unguarded: prometheus.NewDesc(
		"belay_rollouts_unguarded", "Rollouts under way that no gate would roll back.", nil, nil,
	)})
}

type rolloutCollector struct {
	reader          Reader
	desc, unguarded *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *rolloutCollector) Describe(out chan<- *prometheus.Desc) { out <- c.desc; out <- c.unguarded }

// Collect implements prometheus.Collector.
func (c *rolloutCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	statuses, err := c.reader.List(ctx, store.Query{Limit: maxFollowed})
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.desc, err)
		return
	}
	phases := map[rollout.Phase]int{
		rollout.Pending: 0, rollout.Progressing: 0, rollout.Holding: 0, rollout.AwaitingApproval: 0,
		rollout.Completed: 0, rollout.RolledBack: 0, rollout.Aborted: 0,
	}
	unguarded := 0
	for i := range statuses {
		phases[statuses[i].Record.State.Phase]++
		if statuses[i].Unguarded != "" && !statuses[i].Record.State.Phase.Final() {
			unguarded++
		}
	}
	for phase, n := range phases {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), string(phase))
	}
	out <- prometheus.MustNewConstMetric(c.unguarded, prometheus.GaugeValue, float64(unguarded))
}
