//go:build integration

package demo

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// TestDemoOverSeeds plays the whole demo once per seed, one after another because it measures time, and reports how often
// each version ended as it should. It takes three quarters of a minute per seed. DEMO_SEEDS sets their number, DEMO_FIRST
// the first of them:
//
//	DEMO_SEEDS=20 go test -tags integration -count 1 -v -timeout 60m -run TestDemoOverSeeds ./internal/demo
func TestDemoOverSeeds(t *testing.T) {
	seeds, first := number(t, "DEMO_SEEDS", 3), number(t, "DEMO_FIRST", 1)
	var seen tally
	for seed := first; seed < first+seeds; seed++ {
		seen.add(playSeed(t, seed))
	}
	t.Logf("%d seeds\n%s", seeds, seen.report())
}

// playSeed plays the demo once; an unexpected ending fails the test. One thing cannot be judged on a machine that did not
// keep up, which the run itself measures and warns of: whether v4, whose slowness is 32 ms in one of 25 requests, is
// slower than a baseline that the machine slows down as much. That is told, and counted in the report.
func playSeed(t *testing.T, seed uint64) Result {
	t.Helper()
	var out, warnings transcript
	result, err := play(t.Context(), Options{Seed: seed, Out: &out, Err: &warnings, TempDir: t.TempDir()})
	t.Logf("seed %d: %s\n%s", seed, brief(result), warnings.String())
	switch {
	case err == nil:
		for _, e := range result.Endings {
			saysWhatIsProven(t, e)
		}
	case result.Busy && result.Failed == 0 && onlySlownessMissed(err, result):
		t.Logf("seed %d: the machine was too busy to judge latencies: %v", seed, err)
	default:
		t.Errorf("seed %d: %v\n%s", seed, err, out.String())
	}
	return result
}

// onlySlownessMissed reports whether everything ended as it should but for the version that is slow.
func onlySlownessMissed(err error, r Result) bool {
	if _, ok := errors.AsType[*Unexpected](err); !ok {
		return false
	}
	for _, e := range r.Endings {
		if !e.AsExpected() && e.Candidate.Gate != "latency_p99" {
			return false
		}
	}
	return len(r.Endings) > 0
}

// TestAVersionThatCameThroughIsTakenBackForTheNext plays a version that should fall and does not: the next one is
// compared with v1 all the same.
func TestAVersionThatCameThroughIsTakenBackForTheNext(t *testing.T) {
	good := named(t, "v2")
	good.Phase, good.Gate = client.RolledBack, "error_rate"
	var out, warnings transcript
	result, err := play(t.Context(), Options{
		Seed: 4, Speed: 3, Out: &out, Err: &warnings, TempDir: t.TempDir(), cast: []Candidate{good, named(t, "v3")},
	})
	if u, ok := errors.AsType[*Unexpected](err); !ok || !strings.HasSuffix(u.Error(), ": v2 completed; it should be rolled back by error_rate") {
		t.Errorf("got %v", err)
	}
	if len(result.Endings) != 2 || !result.Endings[1].AsExpected() || result.Failed > 0 {
		t.Errorf("endings %+v, %d requests failed", result.Endings, result.Failed)
	}
	text := out.String()
	for _, want := range []string{"v2 serves now, which it should not: v1 is put back by hand", "v1 serves everything, read back"} {
		if !strings.Contains(text, want) {
			t.Errorf("the narration does not say %q:\n%s\n%s", want, text, warnings.String())
		}
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		t.Fatalf("%s is %q, not a number from 1 on", name, text)
	}
	return n
}

func brief(r Result) string {
	var parts []string
	for _, e := range r.Endings {
		parts = append(parts, fmt.Sprintf("%s %s at %s after %s", e.Candidate.Version, ending(e.Phase, e.Gate), percent(e.Stage), seconds(e.Took)))
	}
	return fmt.Sprintf("%s; %d of %d requests failed; %s", strings.Join(parts, ", "), r.Failed, r.Requests, seconds(r.Took))
}

// tally collects results over seeds.
type tally struct {
	endings          map[string][]Ending
	took             []time.Duration
	requests, failed uint64
}

func (y *tally) add(r Result) {
	if y.endings == nil {
		y.endings = map[string][]Ending{}
	}
	for _, e := range r.Endings {
		y.endings[e.Candidate.Version] = append(y.endings[e.Candidate.Version], e)
	}
	y.took = append(y.took, r.Took)
	y.requests += r.Requests
	y.failed += r.Failed
}

func (y *tally) report() string {
	var b strings.Builder
	for _, version := range slices.Sorted(maps.Keys(y.endings)) {
		all := y.endings[version]
		right := 0
		ends, stages := map[string]int{}, map[string]int{}
		for _, e := range all {
			if e.AsExpected() {
				right++
			}
			ends[ending(e.Phase, e.Gate)]++
			stages[percent(e.Stage)]++
		}
		fmt.Fprintf(&b, "%s: %d of %d as expected; endings %v; stages reached %v\n", version, right, len(all), ends, stages)
		fmt.Fprintf(&b, "    after apply %s s; requests exposed %s; ms to the last request %s; ms to confirmed %s\n",
			spread(all, 1, func(e Ending) float64 { return e.Took.Seconds() }),
			spread(all, 0, func(e Ending) float64 { return float64(e.Requests) }),
			spread(all, 2, func(e Ending) float64 { return e.LastRequest.Seconds() * 1000 }),
			spread(all, 2, func(e Ending) float64 { return e.Confirmed.Seconds() * 1000 }))
	}
	fmt.Fprintf(&b, "whole demo %s s; %d of %d client requests failed\n",
		spread(y.took, 1, time.Duration.Seconds), y.failed, y.requests)
	return b.String()
}

// spread is the least, the median and the most of something.
func spread[T any](all []T, digits int, of func(T) float64) string {
	if len(all) == 0 {
		return "-"
	}
	sorted := make([]float64, len(all))
	for i, v := range all {
		sorted[i] = of(v)
	}
	slices.SortFunc(sorted, cmp.Compare[float64])
	return fmt.Sprintf("%.*f / %.*f / %.*f", digits, sorted[0], digits, sorted[len(sorted)/2], digits, sorted[len(sorted)-1])
}
