package frame

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

func TestOutcomesThatWaitAreTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		counts client.OutcomeCounts
		want   string
	}{
		"beside others":     {client.OutcomeCounts{Accepted: 400, Waiting: 1234}, "400 outcomes, 1,234 waiting for their horizon"},
		"of an earlier run": {client.OutcomeCounts{Waiting: 7}, "0 outcomes, 7 waiting for their horizon"},
		"none":              {client.OutcomeCounts{Accepted: 400}, "400 outcomes"},
	} {
		r := inProgress()
		r.Outcomes = &tt.counts
		page := strings.Join(Frame{Width: 300, Now: noon}.Lines(&r, nil), "\n")
		if !strings.Contains(page, tt.want) {
			t.Errorf("%s: %q is missing in\n%s", name, tt.want, page)
		}
		if tt.counts.Waiting == 0 && strings.Contains(page, "waiting") {
			t.Errorf("%s: something waits in\n%s", name, page)
		}
	}
}
