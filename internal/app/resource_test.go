package app

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const withMemory = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec:
  serving: {version: v1, url: "V1", metrics: "P1"}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: fraud-v2}
spec:
  model: fraud
  candidate: {version: v2, url: "V2", metrics: ["P2"]}
  stages: [{weight: 50%, dwell: 40s, minSamples: 20}, {weight: 100%, dwell: 1h, holdback: 1%}]
  warmup: 0s
  gates:
    - {metric: error_rate, maxIncrease: 20pp}
    - {metric: memory, source: scrape, query: 'held_bytes{kind="model"}', maxIncrease: 20%, onFail: hold}
`

// page is a real metrics page of client_golang. Its level wanders a little.
func page(t *testing.T, level float64) (web *httptest.Server, scrapes *atomic.Int64) {
	t.Helper()
	scrapes = &atomic.Int64{}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "held_bytes", Help: "Held.", ConstLabels: prometheus.Labels{"kind": "model"}}, func() float64 {
		return level * (1 + 0.01*float64(scrapes.Add(1)*7%5))
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(held)
	web = httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(web.Close)
	return web, scrapes
}

// Windows of real metrics pages are taken, shown and counted, and a page that is
// gone is named, through the whole program.
func TestTheMetricsPagesOfBothVersionsAreRead(t *testing.T) {
	s := settings(t)
	s.Tick = 50 * time.Millisecond
	a := start(t, s)
	v1, v2 := fakemodel.Start(t, fakemodel.Options{Model: "fraud"}), fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: "v2"})
	p1, scrapes := page(t, 1e9)
	p2, _ := page(t, 1.5e9)
	c, err := client.New(client.Options{Server: a.URL(), Actor: "mira"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	file := strings.NewReplacer("V1", v1.URL(), "V2", v2.URL(), "P1", p1.URL+"/metrics", "P2", p2.URL+"/stats").Replace(withMemory)
	applied, err := c.Apply(t.Context(), client.ApplyRequest{Data: []byte(file)})
	if err != nil {
		t.Fatal(err)
	}
	if len(applied.Warnings) == 0 || !strings.Contains(applied.Warnings[0].Message, "one server of v1 and one server of v2") {
		t.Errorf("warnings %+v", applied.Warnings)
	}
	memory := func() client.Resource {
		r, err := c.Status(t.Context(), "fraud-v2")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Resources) != 1 {
			return client.Resource{}
		}
		return r.Resources[0]
	}
	waitFor(t, "three windows", func() bool { return memory().Windows >= 3 })
	if m := memory(); m.Gate != "memory" || m.Missing != "" || len(m.Dropped) != 0 || m.CompleteAt.IsZero() || scrapes.Load() < 4 {
		t.Errorf("after %d scrapes: %+v", scrapes.Load(), m)
	}
	r, err := c.Status(t.Context(), "fraud-v2")
	if err != nil {
		t.Fatal(err)
	}
	if g := r.Gates[1]; g.Kind != client.KindGauge || g.Verdict != client.Undecided || g.Bound == nil || g.Bound.Candidate == nil || *g.Bound.Candidate < 1.4e9 {
		t.Errorf("the gate stands as %+v", g)
	}
	if _, text := get(t, a.URL()+"/metrics"); !strings.Contains(text, `belay_resource_windows_total{result="complete"} `) || strings.Contains(text, `belay_resource_windows_total{result="complete"} 0`) {
		t.Error("the windows are not counted in the metrics")
	}
	p2.Close()
	waitFor(t, "a window that is missing", func() bool { return memory().Missing != "" })
	if m := memory(); !strings.HasPrefix(m.Missing, "the candidate's "+p2.URL+"/stats: ") || m.Dropped["Unreachable"] == 0 {
		t.Errorf("without the candidate's page: %+v", m)
	}
}
