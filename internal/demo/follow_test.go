package demo

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
)

// told is what a follower writes about events, without the times.
func told(events ...client.Event) []string {
	n, out := telling(nil)
	f := &follower{say: n}
	for _, e := range events {
		f.take(e)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimSpace(line[timeWidth:]))
	}
	return lines
}

func decided(seq int64, kind client.DecisionKind, reason, sentence string) client.Event {
	return client.Event{Type: client.EventDecision, Decision: &client.DecisionHead{Seq: seq, Kind: kind, Reason: reason, Sentence: sentence}}
}

func stands(phase client.Phase, percent float64, verdicts ...client.Verdict) client.Event {
	r := client.Rollout{Phase: phase, Stage: client.Stage{AskedPercent: percent, DwellSeconds: 3, ServedSeconds: 1}}
	r.Candidate.Version = "v3"
	for i, v := range verdicts {
		r.Gates = append(r.Gates, client.Gate{Gate: []string{"error_rate", "latency_p99"}[i], Verdict: v})
	}
	return client.Event{Type: client.EventStatus, Status: &r}
}

func TestEveryChangeIsToldOnceAndWaitingIsNot(t *testing.T) {
	t.Parallel()
	waiting := stands(client.Progressing, 1, client.Undecided, client.NoData)
	waiting.Status.Last = decided(2, client.DecisionHold, "Dwelling", "HOLD at 1%: 1s of 3s.").Decision
	begun := stands(client.Progressing, 1, client.NoData, client.NoData)
	begun.Status.Last = decided(1, client.DecisionAdvance, "Started", "START at 1%.").Decision
	got := told(
		begun,
		decided(1, client.DecisionAdvance, "Started", "START at 1%."),
		decided(2, client.DecisionHold, "Dwelling", "HOLD at 1%: 1s of 3s."),
		waiting, waiting,
		decided(3, client.DecisionHold, "TooFewSamples", "HOLD at 1%: 3 samples."),
		decided(4, client.DecisionHold, "TooFewSamples", "HOLD at 1%: 9 samples."),
		decided(5, client.DecisionAdvance, "StagePassed", "ADVANCE 1% -> 10%."),
		decided(6, client.DecisionHold, "TooFewSamples", "HOLD at 10%: 3 samples."),
		stands(client.Progressing, 10, client.Pass, client.Undecided),
		stands(client.Progressing, 10, client.Pass, client.Undecided),
		stands(client.Progressing, 10, client.Undecided, client.Undecided),
		stands(client.Progressing, 25, client.NoData, client.NoData),
		decided(7, client.DecisionRollback, "GateFailed", "ROLLBACK at 25%."),
		stands(client.RolledBack, 25, client.Fail, client.Undecided),
	)
	want := []string{
		"START at 1%.",
		"HOLD at 1%: 3 samples.",
		"ADVANCE 1% -> 10%.",
		"HOLD at 10%: 3 samples.",
		"gates at 10%: error_rate PASS, latency_p99 undecided",
		"gates at 10%: error_rate undecided, latency_p99 undecided",
		"ROLLBACK at 25%.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestTheBottomLineShowsWhereARolloutIs(t *testing.T) {
	t.Parallel()
	e := stands(client.Progressing, 10, client.Undecided, client.Undecided)
	r := e.Status
	number := func(v float64) *float64 { return &v }
	r.Exposure.Requests = 1234
	if got, want := bottomLine(r), "v3 10% [###.......]  1,234 exposed  error_rate  latency_p99"; got != want {
		t.Errorf("without evidence %q, want %q", got, want)
	}
	for i := range r.Gates {
		r.Gates[i].Total = client.Counts{CandidateExposures: 100, BaselineExposures: 900}
	}
	r.Gates[0].Bound = &client.Bound{Baseline: number(0), Candidate: number(0.081)}
	r.Gates[1].Kind, r.Gates[1].Bound = "quantile", &client.Bound{Baseline: number(0.014), Candidate: number(0.0251)}
	want := "v3 10% [###.......]  1,234 exposed  error_rate 8.1%/0.0%  latency_p99 25ms/14ms"
	if got := bottomLine(r); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r.Phase = client.Completed
	if got := bottomLine(r); got != "" {
		t.Errorf("after the end: %q", got)
	}
}

func TestACandidateThatIsNotReadyIsToldWhenItLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, out := telling(nil)
		f := &follower{say: n}
		waiting := stands(client.Pending, 0)
		waiting.Status.Last = decided(1, client.DecisionHold, "CandidateNotReady", "HOLD before the first traffic.").Decision
		waiting.Status.Next = "The candidate must be ready."
		for range 2 {
			f.take(waiting)
		}
		if out.String() != "" {
			t.Errorf("told at once: %q", out)
		}
		for range 3 {
			time.Sleep(patience)
			f.take(waiting)
		}
		if want := "   2.0s  The candidate must be ready.\n"; !strings.HasSuffix(out.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("told %q, want %q once", out, want)
		}
	})
}
