package frame

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

func TestAResourceIsShownAsALevelAndWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	r := inProgress()
	r.Gates = append(r.Gates, client.Gate{
		Gate: "memory", Kind: client.KindGauge, Verdict: client.Undecided, Margin: "+20%", MarginValue: new(0.2), Worse: "up",
		Bound: &client.Bound{Baseline: new(1.02e9), Candidate: new(1.47e9), Estimate: new(0.44), Relative: true},
	})
	r.Resources = []client.Resource{{Gate: "memory", Windows: 40}}
	page := func() string { return strings.Join(Frame{Width: 300, Now: noon}.Lines(&r, nil), "\n") }
	if got := page(); !strings.Contains(got, "1.02G") || !strings.Contains(got, "1.47G") || strings.Contains(got, "NOT MEASURED") {
		t.Errorf("a measured resource:\n%s", got)
	}
	const missing = "the candidate's http://v2/metrics: connection refused"
	r.Resources[0].Missing = missing
	if got := page(); !strings.Contains(got, "NOT MEASURED") || !strings.Contains(got, "memory: "+missing) {
		t.Errorf("a resource that is not measured:\n%s", got)
	}
	r.Phase = client.RolledBack
	if got := page(); strings.Contains(got, "NOT MEASURED") {
		t.Errorf("nobody measures after the end:\n%s", got)
	}
}

func TestAmountsAreShort(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", 0.35: "0.35", 812: "812", 9999: "9999", 12_345: "12.3k", 1.4712e9: "1.47G", 0.00217: "2.17m", 3e-6: "3u", 1e18: "1E", -2e6: "-2M",
	} {
		if got := amount(x); got != want {
			t.Errorf("amount(%v) = %s, want %s", x, got, want)
		}
	}
}

func TestWhatAResourceCannotTellStandsBelowIt(t *testing.T) {
	t.Parallel()
	const caveat = "one server each: the version and the server cannot be told apart"
	r := inProgress()
	r.Gates = []client.Gate{{Gate: "memory", Kind: client.KindGauge, Verdict: client.Fail, Margin: "+20%", Caveat: caveat}}
	page := func() string { return strings.Join(Frame{Width: 300, Now: noon}.Lines(&r, nil), "\n") }
	if got := page(); !strings.Contains(got, "\n   "+caveat+"\n") {
		t.Errorf("a gate of one server:\n%s", got)
	}
	r.Gates[0].Verdict = client.Off
	if got := page(); strings.Contains(got, caveat) {
		t.Errorf("a gate that is off:\n%s", got)
	}
	d := client.Decision{Gates: []client.Judged{{Gate: "memory", Kind: client.KindGauge, Verdict: client.Fail, Caveat: caveat}, {Gate: "a", Verdict: client.Pass}}}
	if got := strings.Join(Frame{Width: 300, Now: noon}.Explanation(&d), "\n"); strings.Count(got, "\n  memory: "+caveat+"\n") != 1 {
		t.Errorf("explained:\n%s", got)
	}
}
