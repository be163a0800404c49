package frame

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/golden/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", path, diff)
	}
}

func TestFramesOfRollouts(t *testing.T) {
	t.Parallel()
	pending := inProgress()
	pending.Phase, pending.Stage, pending.Gates, pending.Last = client.Pending, client.Stage{Of: 5, DwellSeconds: 600, LeftSeconds: 600, AskedPercent: 1, WeightPercent: 1}, nil, nil
	pending.Traffic = &client.Traffic{Candidate: client.Health{State: "failing", Error: "/v2/health/ready answered 503"}, Baseline: client.Health{State: "ready"}}
	pending.Exposure, pending.Outcomes, pending.Next = client.Exposure{}, nil, "1% as soon as the candidate is ready."
	completed := inProgress()
	completed.Phase, completed.EndedAt, completed.Next = client.Completed, noon, ""
	completed.Traffic.WeightPercent = 100
	tests := map[string]struct {
		frame   Frame
		rollout client.Rollout
	}{
		"in-progress":      {Frame{Width: 100, PerSecond: 119.4, Hint: "q quit ? keys"}, inProgress()},
		"in-progress-wide": {Frame{Width: 160, Wide: true}, inProgress()},
		"rolled-back":      {Frame{Width: 100}, rolledBack()},
		"in-trouble":       {Frame{Width: 80}, inTrouble()},
		"pending":          {Frame{Width: 100}, pending},
		"completed":        {Frame{Width: 100}, completed},
		"in-colour":        {Frame{Width: 100, Paint: Painter{On: true}}, rolledBack()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.frame.Now = noon
			var log []client.DecisionHead
			if tt.rollout.Last != nil {
				log = append(log, *tt.rollout.Last)
			}
			golden(t, name+".txt", strings.Join(tt.frame.Lines(&tt.rollout, log), "\n")+"\n")
		})
	}
}

func TestColourNeverSaysWhatTheWordDoesNot(t *testing.T) {
	t.Parallel()
	for _, r := range []client.Rollout{inProgress(), rolledBack(), inTrouble()} {
		log := []client.DecisionHead{*r.Last}
		plain := Frame{Width: 100, Now: noon}.Lines(&r, log)
		painted := Frame{Width: 100, Now: noon, Paint: Painter{On: true}}.Lines(&r, log)
		for i := range painted {
			painted[i] = bare(painted[i])
		}
		if diff := cmp.Diff(plain, painted); diff != "" {
			t.Errorf("%s: without colour something is missing (-plain +painted):\n%s", r.Name, diff)
		}
	}
}

// bare takes the escape sequences out of a line.
func bare(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b {
			for i < len(s) && s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
