package rollout

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// scoring is a rollout of a model that answers with a score and a label, at its
// first stage.
func scoring(t *testing.T, gates string) (*Plan, State, *evidence.Evidence) {
	t.Helper()
	p := compiled(t, demoModel+`
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  stages:
    - {weight: 50%, dwell: 1m, minSamples: 20}
    - {weight: 100%, dwell: 1m, holdback: 1%}
  warmup: 0s
  gates:
    - {metric: error_rate, maxIncrease: 1pp}
`+gates)
	s := State{Phase: Pending}
	s.enter(&p, 0, epoch)
	ev := &evidence.Evidence{}
	ev.Stratum(&p.Layout, 0)
	return &p, s, ev
}

// answers adds n answers of an arm with scores around a place, of which a share is
// labelled fraud.
func answers(p *Plan, ev *evidence.Evidence, r *rand.Rand, arm split.Arm, n int, place, fraud float64) {
	for range n {
		readings := []evidence.Reading{{Kind: evidence.Number, Value: place + 2*math.Abs(r.NormFloat64())}}
		if len(p.Layout.Outputs) > 1 {
			label := evidence.Reading{Output: 1, Kind: evidence.Text, Value: 7}
			if r.Float64() < fraud {
				label.Value, label.Classes = 9, 1
			}
			readings = append(readings, label)
		}
		ev.Strata[0].Observe(&p.Layout, evidence.Observation{Arm: arm, Bucket: uint8(r.IntN(256)), Latency: time.Millisecond, Outputs: readings})
	}
}

func TestOutputsDecide(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gates        string
		place, fraud float64 // of the candidate; the baseline has 10 and 5 %
		kind         Kind
		reason       Reason
		words        []string
	}{
		"a score that has moved holds": {
			"    - {metric: output:score}\n", 11, 0, KindHold, ReasonGateFailed,
			[]string{"HOLD at 50%: output:score 0.", " apart (6,000 values against 6,000): at least 0.", ", margin max 0.1 (anytime-valid"},
		},
		"and rolls back where the file says so": {
			"    - {metric: output:score, onFail: rollback}\n", 11, 0, KindRollback, ReasonGateFailed,
			[]string{"ROLLBACK at 50%: output:score 0."},
		},
		"a mean that rises": {
			"    - {metric: output:score, kind: mean, maxIncrease: 2%}\n", 11, 0, KindRollback, ReasonGateFailed,
			[]string{"output:score:mean 12.", " (6,000 values) against 11.", "at least +"},
		},
		"a class that is found too often": {
			"    - {metric: output:score, role: info}\n    - {metric: output:label, class: fraud, maxIncrease: 20%}\n", 10, 0.1, KindRollback, ReasonGateFailed,
			[]string{"output:label=fraud ", " of 6,000) against "},
		},
		"nothing that has changed": {
			"    - {metric: output:score}\n    - {metric: output:label, class: fraud, maxIncrease: 20%}\n", 10, 0.05, KindHold, ReasonDwelling, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s, ev := scoring(t, tt.gates)
			r := rand.New(rand.NewPCG(4, 5))
			answers(p, ev, r, split.Baseline, 6000, 10, 0.05)
			answers(p, ev, r, split.Candidate, 6000, tt.place, tt.fraud)
			ev.Learn(&p.Layout)
			d := Decide(Input{
				Plan: p, State: s, Evidence: ev, Judgements: Judge(p, s, ev, nil), Now: epoch.Add(time.Second),
				Traffic: Traffic{Known: true, Weight: s.Weight(), Ready: true, LastRequest: epoch},
			})
			if d.Kind != tt.kind || d.Reason != tt.reason {
				t.Fatalf("%s %s: %s", d.Kind, d.Reason, d.Sentence)
			}
			for _, words := range tt.words {
				if !strings.Contains(d.Sentence, words) {
					t.Errorf("%q does not say %q", d.Sentence, words)
				}
			}
		})
	}
}
