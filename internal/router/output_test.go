package router

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

// outputLayout is a layout whose only outputs are a score by its distribution and
// a label by one class.
func outputLayout(u table.Unit, score, label string) *evidence.Layout {
	l := layoutOf(u)
	at := l.AddOutput(score)
	l.Outputs[at].Value = l.AddValues(evidence.Series{Name: "output:" + score, Bins: 20, Grouped: true})
	l.AddClass(l.AddOutput(label), "fraud", "output:"+label+"=fraud")
	return l
}

// tensorsOf declares tensors.
func tensorsOf(names ...string) []fakemodel.Tensor {
	var out []fakemodel.Tensor
	for _, name := range names {
		out = append(out, fakemodel.Tensor{Name: name, Datatype: "FP32", Shape: []int64{-1}})
	}
	return out
}

// outputs waits until n requests of stratum 0 were counted, and returns the
// stratum.
func (w *world) outputs(t testing.TB, l *evidence.Layout, n uint64) *evidence.Stratum {
	t.Helper()
	s := &seen{}
	waitFor(t, fmt.Sprintf("%d requests", n), func() bool {
		s.collect(w, l)
		return s.requests(0) >= n
	})
	return s.strata[0]
}

func TestOutputsAreReadOutOfTheAnswersOfTheirArm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	l := outputLayout(sticky, "y", "label")
	w.baseline.SetTensors(nil, tensorsOf("y", "label"))
	w.candidate.SetTensors(nil, tensorsOf("y", "label"))
	w.baseline.SetData(func(_ uint64, tensor string) []any {
		return map[string][]any{"y": {0.25}, "label": {"legit"}}[tensor]
	})
	w.candidate.SetData(func(_ uint64, tensor string) []any {
		return map[string][]any{"y": {0.5, 0.75}, "label": {"fraud", "legit", nil}}[tensor]
	})
	w.swap(t, 5000, plan{layout: l})
	const n = 40
	for i := range n {
		w.infer(t, fmt.Sprint("u", i))
	}
	s := w.outputs(t, l, n)
	b, c := &s.Sides[split.Baseline], &s.Sides[split.Candidate]
	if b.Requests == 0 || c.Requests == 0 || b.Requests+c.Requests != n {
		t.Fatalf("%d and %d requests", b.Requests, c.Requests)
	}
	if diff := cmp.Diff([]evidence.OutputCount{{Answers: b.Requests, Values: b.Requests}, {Answers: b.Requests, Values: b.Requests}}, b.Outputs); diff != "" {
		t.Errorf("the baseline's (-want +got):\n%s", diff)
	}
	want := []evidence.OutputCount{{Answers: c.Requests, Values: 2 * c.Requests}, {Answers: c.Requests, Values: 2 * c.Requests, Missing: c.Requests}}
	if diff := cmp.Diff(want, c.Outputs); diff != "" {
		t.Errorf("the candidate's (-want +got):\n%s", diff)
	}
	if got := c.Rates[2]; got.K != c.Requests || got.N != 2*c.Requests || b.Rates[2].K != 0 {
		t.Errorf("%d of %d values are fraud, at the baseline %d", got.K, got.N, b.Rates[2].K)
	}
	for _, r := range s.Raw {
		if good := r.Value == 0.25; good != (r.Arm == split.Baseline) {
			t.Fatalf("a score of %v at the %s", r.Value, r.Arm)
		}
	}
	if uint64(len(s.Raw)) != b.Requests+2*c.Requests {
		t.Errorf("%d scores", len(s.Raw))
	}
}

func TestErrorsAndAnswersInTheCandidatesPlaceHaveNoOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	l := outputLayout(sticky, "y", "label")
	w.candidate.SetErrors(1, 500)
	w.swap(t, split.Whole, plan{layout: l})
	if a := w.infer(t, "u"); a.status != 200 || a.header.Get(shieldedField) == "" {
		t.Fatalf("status %d, shielded %q", a.status, a.header.Get(shieldedField))
	}
	w.candidate.SetErrors(1, 404)
	w.infer(t, "u")
	w.candidate.SetErrors(0, 200)
	w.do(t, http.MethodGet, "/v2/models/m", "", "X-User-Id: u") // Metadata are no answer.
	s := w.outputs(t, l, 3)
	for arm := range s.Sides {
		if diff := cmp.Diff(make([]evidence.OutputCount, 2), s.Sides[arm].Outputs); diff != "" {
			t.Errorf("%s: %s", split.Arm(arm), diff)
		}
	}
}

func TestOutputsOfStreamedAndOfEncodedAnswers(t *testing.T) {
	t.Parallel()
	pieces := func(w http.ResponseWriter, _ *http.Request) {
		for _, piece := range []string{`{"list":[{"sco`, `re":1`, `.5,"label":"fr`, `aud"}]}`} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}
	packed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"list":[{"score":1.5,"label":"fraud"}]}`)
		_ = z.Close()
	}
	w, _, _ := behind(t, Limits{}, pieces, packed)
	l := outputLayout(sticky, "/list/0/score", "/list/0/label")
	w.swap(t, 0, plan{protocol: table.HTTP, layout: l})
	w.do(t, http.MethodGet, "/", "", "X-User-Id: u")
	w.swap(t, split.Whole, plan{protocol: table.HTTP, layout: l})
	w.do(t, http.MethodGet, "/", "", "X-User-Id: u")
	s := w.outputs(t, l, 2)
	b, c := &s.Sides[split.Baseline], &s.Sides[split.Candidate]
	if b.Outputs[0] != (evidence.OutputCount{Answers: 1, Values: 1}) || b.Rates[2].K != 1 || len(s.Raw) != 1 || s.Raw[0].Value != 1.5 {
		t.Errorf("in pieces: %+v, %d fraud, scores %v", b.Outputs, b.Rates[2].K, s.Raw)
	}
	if c.Outputs[0] != (evidence.OutputCount{Missing: 1}) || c.Outputs[1] != (evidence.OutputCount{Missing: 1}) || c.Rates[2].N != 0 {
		t.Errorf("encoded: %+v", c.Outputs)
	}
}

func TestValuesAreBinnedAsSoonAsTheirScaleIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	l := outputLayout(sticky, "y", "label")
	p := plan{layout: l}
	w.swap(t, 0, p)
	w.infer(t, "u")
	p.scales = []evidence.Scale{{Cap: 10, Edges: []float64{0, 1}}}
	w.swap(t, 0, p)
	w.infer(t, "u")
	s := w.outputs(t, l, 2)
	// What had waited is counted with it.
	if v := s.Sides[split.Baseline].Values[0]; len(s.Raw) != 0 || v.Moments.N != 2 || v.Bins[1] != 2 {
		t.Errorf("%d wait, %v values, bins %v", len(s.Raw), v.Moments.N, v.Bins)
	}
}

func TestARolloutWithoutOutputsReadsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 5000, plan{})
	for is, at := range w.router.live.Load().routes {
		if at.outputs != nil {
			t.Errorf("outputs of %s are read", is.Model)
		}
	}
}
