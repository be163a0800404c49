package demo

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
)

// named is a candidate of the demo.
func named(t *testing.T, version string) Candidate {
	t.Helper()
	list := chosen(version)
	if len(list) != 1 {
		t.Fatalf("%d candidates are named %q", len(list), version)
	}
	return list[0]
}

func TestEveryCandidateIsAScenarioAndAllPlaysThemAll(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"all", "v3", "v4", "v5", "v2"}, Scenarios()); diff != "" {
		t.Errorf("scenarios (-want +got):\n%s", diff)
	}
	if n := len(chosen(All)); n != 4 {
		t.Errorf("%d candidates are played, want 4", n)
	}
	if n := len(chosen("v1")); n != 0 {
		t.Errorf("v1 is played against itself %d times", n)
	}
}

func TestOnlyWhatIsDeclaredSetsACandidateApart(t *testing.T) {
	t.Parallel()
	for _, c := range Candidates() {
		b := c.behaviour(7)
		healthy := b.FailShare == 0 && b.SlowShare == 0
		if healthy != (c.network != nil) {
			t.Errorf("%s: healthy server %v, own network %v; want exactly one difference from v1", c.Version, healthy, c.network != nil)
		}
		if b.Median != 8*time.Millisecond || b.Sigma != 0.25 || b.Seed != 7 {
			t.Errorf("%s: %+v", c.Version, b)
		}
	}
}

func TestAnEndingIsExpectedOnlyByItsPhaseAndItsGate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version string
		phase   client.Phase
		gate    string
		want    string // of the error; empty when it is as expected
	}{
		"v2 completes":               {"v2", client.Completed, "", ""},
		"v3 falls by its errors":     {"v3", client.RolledBack, "error_rate", ""},
		"v3 falls by another gate":   {"v3", client.RolledBack, "latency_p99", "v3 was rolled back by latency_p99; it should be rolled back by error_rate"},
		"v3 is cut off":              {"v3", client.RolledBack, "", "v3 was rolled back; it should be rolled back by error_rate"},
		"v4 goes through":            {"v4", client.Completed, "", "v4 completed; it should be rolled back by latency_p99"},
		"v2 is rolled back":          {"v2", client.RolledBack, "error_rate", "v2 was rolled back by error_rate; it should go to 100%"},
		"v5 is aborted for its time": {"v5", client.Aborted, "", "v5 was aborted; it should be rolled back by outcome:correct"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Result{Endings: []Ending{{Candidate: named(t, c.version), Phase: c.phase, Gate: c.gate}}}
			err := r.unexpected()
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if u, ok := errors.AsType[*Unexpected](err); !ok || !strings.HasSuffix(u.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestALostRequestIsUnexpectedHoweverTheRolloutsEnded(t *testing.T) {
	t.Parallel()
	err := Result{Failed: 2}.unexpected()
	if err == nil || !strings.Contains(err.Error(), "2 requests failed that the baseline would have answered") {
		t.Errorf("got %v", err)
	}
}

// endings are four as the demo may find them.
func endings(t *testing.T) Result {
	t.Helper()
	return Result{Endings: []Ending{
		{Candidate: named(t, "v3"), Phase: client.RolledBack, Gate: "error_rate", Stage: 10, Requests: 162, Units: 162, LastRequest: 300 * time.Microsecond},
		{Candidate: named(t, "v5"), Phase: client.RolledBack, Gate: "latency_p99", Stage: 50, Requests: 1620, Units: 1620, LastRequest: 12 * time.Millisecond},
		{Candidate: named(t, "v2"), Phase: client.Completed, Stage: 100, Requests: 12345, Units: 12345},
	}}
}

func TestTheSummarySaysHowManyEndedAsTheyShould(t *testing.T) {
	t.Parallel()
	some := endings(t)
	all := Result{Endings: []Ending{some.Endings[0], some.Endings[2]}, Requests: 1000, Shielded: 12}
	some.Requests, some.Failed = 1000, 3
	cases := map[string]struct {
		result Result
		want   []string
	}{
		"all":  {all, []string{"Every rollout ended as it should.", "0 of 1,000 client requests failed; v1 answered 12"}},
		"some": {some, []string{"2 of 3 rollouts ended as they should.", "3 of 1,000 client requests failed, all of which v1 would have answered."}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, out := telling(nil)
			(&run{say: n}).summary(c.result)
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

func TestTheTableShowsEveryEnding(t *testing.T) {
	t.Parallel()
	n, out := telling(nil)
	n.table(endings(t))
	want := `VERSION  WHAT IT IS                        VERDICT      GATE         STAGE  REQUESTS   UNITS  LAST REQ  OK
v3       8% of its requests fail           rolled back  error_rate     10%       162     162    0.3 ms  yes
v5       learned from partly wrong labels  rolled back  latency_p99    50%     1,620   1,620   12.0 ms  NO: rolled back by outcome:correct
v2       learned for longer                completed    -             100%    12,345  12,345         -  yes
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestANarrowTableLeavesOutWhatHasBeenTold(t *testing.T) {
	t.Parallel()
	n, out := telling(func(o *Options) { o.Width = 80 })
	r := endings(t)
	r.Endings[1].Gate = "outcome:correct"
	n.table(r)
	for line := range strings.Lines(out.String()) {
		if len(line)-1 > 80 || strings.Contains(line, "labels") {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
}

// provenText finds what a rollback's sentence says is proven, and the margin.
var provenText = regexp.MustCompile(`at least ([+-][0-9.]+)(%|pp), margin ([+-][0-9.]+)(%|pp)`)

// saysWhatIsProven fails the test if the sentence of a rollback by a gate does not say that the harm is beyond the margin.
func saysWhatIsProven(t *testing.T, e Ending) {
	t.Helper()
	// Gates can fail together while none does alone; then the sentence says that.
	if e.Phase != client.RolledBack || strings.Contains(e.Sentence, "together reach 1/alpha") {
		return
	}
	found := provenText.FindStringSubmatch(e.Sentence)
	if found == nil || found[2] != found[4] {
		t.Errorf("%s: the sentence does not say what is proven: %s", e.Candidate.Version, e.Sentence)
		return
	}
	proven, err1 := strconv.ParseFloat(found[1], 64)
	margin, err2 := strconv.ParseFloat(found[3], 64)
	if err1 != nil || err2 != nil || proven*margin < 0 || math.Abs(proven) < math.Abs(margin) {
		t.Errorf("%s: what is proven is not beyond the margin: %s", e.Candidate.Version, e.Sentence)
	}
}
