package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/simulate"
)

// ran runs a command and returns its status and what it wrote.
func ran(ctx context.Context, args ...string) (status int, out, err string) {
	var stdout, stderr bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	status = run(ctx, args, &session{in: strings.NewReader(""), out: &stdout, err: &stderr, now: func() time.Time { return now }})
	return status, stdout.String(), stderr.String()
}

func TestAnInterruptedSimulationShowsWhatIsKnown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status, out, err := ran(ctx, "simulate", "--policy", "fast", "--reps", "3")
	if status != exitFailure || !strings.HasPrefix(out, "policy fast, 100 requests a second\nSCENARIO") || err != "belay: stopped; what is shown was known by then\n" {
		t.Errorf("status %d\n%s%s", status, out, err)
	}
	status, out, _ = ran(ctx, "simulate", "--policy", "fast", "--reps", "3", "-o", "json")
	if status != exitFailure || !strings.Contains(out, `"stopped": true`) {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestTheModelThatIsMadeUpCanBeRead(t *testing.T) {
	t.Parallel()
	f, _, err := spec.Parse("made", []byte(made))
	if err != nil || len(f.Models) != 1 || len(f.Rollouts) != 1 {
		t.Errorf("%v: %+v", err, f)
	}
}

func TestTheTableOfASimulation(t *testing.T) {
	t.Parallel()
	many := &simulate.Quantiles{Mean: 100, P50: 61, P90: 7500, Max: 9000}
	r := &simulatedRollout{Rollout: "fraud-v7", Policy: "standard", Rate: 12.5, Results: []simulate.Result{
		{
			Scenario: "errors-x2", Reps: 100, RolledBack: simulate.NewRate(97, 100, 0.05), Promoted: simulate.NewRate(0, 100, 0.05), Held: simulate.NewRate(3, 100, 0.05),
			ToRollback: many, ToHold: many, Exposed: simulate.Quantiles{Mean: 1, P50: 12345, P90: 99999, Max: 100000}, Harmed: simulate.Quantiles{P90: 7, Max: 8}, Early: simulate.NewRate(9, 100, 0.05),
			Causes: []simulate.Cause{{Ending: simulate.RolledBack, Reason: "GateFailed", Gate: "error_rate", Count: 97}, {Ending: simulate.Held, Reason: "Undecided", Count: 3}},
			Users:  many,
		},
		{Scenario: "nothing", Reps: 1, Promoted: simulate.NewRate(1, 1, 0.05), Causes: []simulate.Cause{{Ending: simulate.Promoted, Reason: "Completed", Count: 1}}},
	}}
	got := strings.Join(simulatedTable(r, true), "\n")
	want := `rollout fraud-v7, policy standard, 12.5 requests a second
SCENARIO   ROLLED BACK   PROMOTED         HELD             AFTER p50 / p90  EXPOSED p50 / p90  HARMED p50 / p90  CAUSE                                  BACK BY 10%     USERS p50 / p90  FAILED  SLOWED  WORSE  REPS
errors-x2  97% (91-99%)  0% (0-3.6%)      3.0% (0.6-8.5%)  1m1s / 2h5m      12,345 / 99,999    0 / 7             error_rate 97%, Undecided (held) 3.0%  9.0% (4.2-16%)  61 / 7,500       0       0       0      100
nothing    0% (0-0%)     100% (2.5-100%)  0% (0-0%)        -                0                  0                 -                                      0% (0-0%)       -                0       0       0      1`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheBarOfASimulation(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := &progress{out: &out, now: func() time.Time { return now }}
	tell := p.of("errors-x2", 1, 2)
	tell(1, 10)
	tell(2, 10) // Too soon to be drawn again.
	now = now.Add(time.Second)
	tell(5, 10)
	tell(10, 10)
	p.end()
	want := "\r[##########..........]  50%  errors-x2 0/1\r[###########.........]  55%  errors-x2 1/10" +
		"\r[###############.....]  75%  errors-x2 5/10\r[####################] 100%  errors-x2 10/10\r" + strings.Repeat(" ", 44) + "\r"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var none *progress
	if none.of("x", 0, 1) != nil {
		t.Error("a bar that nobody sees is drawn")
	}
	none.end()
}
