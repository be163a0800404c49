package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const bySegment = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec:
  serving: {version: v1, url: "V1"}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: fraud-v2}
spec:
  model: fraud
  candidate: {version: v2, url: "V2"}
  stages: [{weight: 50%, dwell: 1h, minSamples: 20}, {weight: 100%, dwell: 1h, holdback: 1%}]
  gates: [{metric: error_rate, maxIncrease: 20pp}]
  segments: {by: [header:X-Country], guard: true}
`

// A candidate that fails for one country alone is rolled back by what happens
// there, through the whole program.
func TestAHarmToOneCountryRollsBack(t *testing.T) {
	s := settings(t)
	s.Tick = 50 * time.Millisecond
	a := start(t, s)
	v1, v2 := fakemodel.Start(t, fakemodel.Options{Model: "fraud"}), fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: "v2"})
	picky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Country") == "MT" {
			http.Error(w, "no such country", http.StatusInternalServerError)
			return
		}
		v2.ServeHTTP(w, r)
	}))
	t.Cleanup(picky.Close)
	c, err := client.New(client.Options{Server: a.URL(), Actor: "mira"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	file := strings.NewReplacer("V1", v1.URL(), "V2", picky.URL).Replace(bySegment)
	if _, err := c.Apply(t.Context(), client.ApplyRequest{Data: []byte(file)}); err != nil {
		t.Fatal(err)
	}
	status := func() client.Rollout {
		r, err := c.Status(t.Context(), "fraud-v2")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	waitFor(t, "the first stage", func() bool { return status().Phase == client.Progressing })
	countries := []string{"DE", "FR", "DE", "IT", "MT", "DE", "FR", "DE", "IT", "FR", "DE", "DE"}
	var last client.Rollout
	for i := 0; i < 4000 && last.Phase != client.RolledBack; i++ {
		if code := postFrom(t, a, countries[i%len(countries)]); code != http.StatusOK {
			t.Fatalf("a caller got %d", code)
		}
		if i%100 == 99 {
			last = status()
		}
	}
	waitFor(t, "the rollback", func() bool { last = status(); return last.Last != nil && last.Last.Kind == client.DecisionRollback })
	if want := "error_rate in X-Country=MT 100%"; !strings.Contains(last.Last.Sentence, want) {
		t.Errorf("the sentence does not say %q: %s", want, last.Last.Sentence)
	}
	if len(last.Segments) == 0 || last.Segments[0].Segment != "X-Country=MT" || last.Segments[0].Gate.Verdict != client.Fail {
		t.Errorf("the worst segment is not named: %+v", last.Segments)
	}
	if whole := last.Gates[0]; whole.Verdict == client.Fail {
		t.Errorf("the whole failed as well (%+v), so this shows nothing", whole)
	}
}

func postFrom(t *testing.T, a *App, country string) int {
	t.Helper()
	const body = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}`
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://"+a.TrafficAddr()+"/v2/models/fraud/infer", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Country", country)
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
