package app

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const byOutput = `apiVersion: belay.dev/v1alpha1
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
  gates:
    - {metric: error_rate, maxIncrease: 20pp}
    - {metric: output:score}
    - {metric: output:label, class: fraud, maxIncrease: 50%}
`

// scorer is a fake model that answers with eight scores around a place, and labels
// a share of its answers as fraud.
func scorer(t *testing.T, version string, place, fraud float64) *fakemodel.Server {
	t.Helper()
	s := fakemodel.Start(t, fakemodel.Options{Model: "fraud", Version: version, Outputs: []fakemodel.Tensor{
		{Name: "score", Datatype: "FP64", Shape: []int64{8}}, {Name: "label", Datatype: "BYTES", Shape: []int64{1}},
	}})
	s.SetData(func(n uint64, tensor string) []any {
		r := rand.New(rand.NewPCG(n, uint64(len(tensor))))
		if tensor == "label" {
			if r.Float64() < fraud {
				return []any{"fraud"}
			}
			return []any{"legit"}
		}
		out := make([]any, 8)
		for i := range out {
			out[i] = place + r.NormFloat64()
		}
		return out
	})
	return s
}

// A candidate whose scores have moved is held, and one that finds too much fraud is
// rolled back, through the whole program.
func TestACandidateIsJudgedByItsOutputs(t *testing.T) {
	tests := map[string]struct {
		place, fraud float64
		phase        client.Phase
		gate, words  string
	}{
		"scores that have moved hold":   {1.5, 0.1, client.Holding, "output:score", "HOLD at 50%: output:score 0."},
		"fraud that is found too often": {0, 0.6, client.RolledBack, "output:label=fraud", "ROLLBACK at 50%: output:label=fraud "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			s.Tick = 50 * time.Millisecond
			a := start(t, s)
			v1, v2 := scorer(t, "v1", 0, 0.1), scorer(t, "v2", tt.place, tt.fraud)
			c, err := client.New(client.Options{Server: a.URL(), Actor: "mira"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			file := strings.NewReplacer("V1", v1.URL(), "V2", v2.URL()).Replace(byOutput)
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
			var last client.Rollout
			for i := 0; i < 6000 && last.Phase != tt.phase; i++ {
				if code := postFrom(t, a, "DE"); code != http.StatusOK {
					t.Fatalf("a caller got %d", code)
				}
				if i%100 == 99 {
					last = status()
				}
			}
			waitFor(t, "the decision", func() bool {
				last = status()
				return last.Phase == tt.phase && last.Last != nil && last.Last.Gate == tt.gate
			})
			if !strings.HasPrefix(last.Last.Sentence, tt.words) {
				t.Errorf("the sentence does not begin with %q: %s", tt.words, last.Last.Sentence)
			}
			drift, class := last.Gates[1], last.Gates[2]
			if drift.Kind != client.KindDrift || drift.Readings == nil || drift.Readings.CandidateMissing > 0 || drift.Readings.CandidateValues < 160 {
				t.Errorf("the drift is shown as %s, with %+v", drift.Kind, drift.Readings)
			}
			// A rollback may come before the baseline has set the bins.
			if d := drift.Distribution; tt.phase == client.Holding && !shows(d, drift.Readings.CandidateValues) {
				t.Errorf("the distribution is shown as %+v", d)
			}
			if class.Distribution != nil {
				t.Error("a class has a distribution")
			}
			if class.Kind != client.KindRate || class.Total.BaselineExposures < 20 || class.Bound == nil {
				t.Errorf("the class is shown as %s, with %+v", class.Kind, class.Total)
			}
		})
	}
}

// shows reports that a distribution has all values, and that they have moved.
func shows(d *client.Distribution, values int64) bool {
	return d != nil && d.CandidateValues == values && len(d.Bins) >= 20 && d.Psi != nil && *d.Psi > 0.5
}
