package app

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const aModel = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec:
  serving: {version: v1, url: "V1"}
`

// apply makes the model fraud known to a server, and starts a rollout of it.
func apply(t *testing.T, a *App, v1, v2 *fakemodel.Server) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Server: a.URL(), Actor: "mira"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Apply(t.Context(), client.ApplyRequest{Data: []byte(strings.ReplaceAll(aModel, "V1", v1.URL()))}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), client.StartRequest{Model: "fraud", Version: "v2", URL: v2.URL(), Policy: "fast"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestMetricsFollowARollout(t *testing.T) {
	s := settings(t)
	s.Tick = 50 * time.Millisecond
	a := start(t, s)
	v1, v2 := fakemodel.Start(t, fakemodel.Options{Model: "fraud"}), fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: "v2"})
	apply(t, a, v1, v2)
	post(t, a)
	for _, line := range []string{
		`belay_decisions_total{kind="advance",reason="Started"} 1`,
		`belay_rollouts{phase="Progressing"} 1`,
		`belay_store_errors_total{operation="commit"} 0`,
		`belay_store_seconds_count{operation="create"} 1`,
		`belay_tick_interval_seconds_count `,
		`belay_router_requests_total{arm="baseline",class="2xx",model="fraud"} `,
	} {
		waitFor(t, line, func() bool {
			_, page := get(t, a.URL()+"/metrics")
			return strings.Contains(page, line)
		})
	}
}

// post sends one request to the model and returns its status.
func post(t *testing.T, a *App) int {
	t.Helper()
	const body = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.TrafficAddr()+"/v2/models/fraud/infer", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

func TestAStopFinishesRequestsAndCutsStreamsOff(t *testing.T) {
	a := start(t, settings(t))
	v1, v2 := fakemodel.Start(t, fakemodel.Options{Model: "fraud"}), fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: "v2"})
	c := apply(t, a, v1, v2)
	v1.SetLatency(500 * time.Millisecond)
	v2.SetLatency(500 * time.Millisecond)

	streaming := make(chan struct{})
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		for range c.Watch(ctx, client.WatchRequest{Rollout: "fraud", OnBreak: func(error) { cancel() }}) {
			select {
			case <-streaming:
			default:
				close(streaming)
			}
		}
	}()
	<-streaming
	before := v1.Started() + v2.Started()
	status := make(chan int, 1)
	go func() { status <- post(t, a) }()
	waitFor(t, "the request to reach a model", func() bool { return v1.Started()+v2.Started() > before })

	began := time.Now()
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request under way was answered %d", got)
	}
}

func TestAServerWithoutATableIsNotReady(t *testing.T) {
	a, err := New(t.Context(), Options{Settings: settings(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := a.serving(t.Context()); err == nil {
		t.Error("it is said to serve before it was started")
	}
}
