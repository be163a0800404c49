package frame

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

// bySegment is a rollout that is also looked at by country.
func bySegment() client.Rollout {
	r := inProgress()
	for i, country := range []string{"MT", "a-very-long-tenant-name-indeed-4711", "DE", "FR"} {
		g := r.Gates[i%2]
		g.LogFailAt, g.LogFail, g.Verdict = 5.3+float64(i), 5.6-2*float64(i), client.Undecided
		if i == 0 {
			g.Verdict = client.Fail
		}
		r.Segments = append(r.Segments, client.SegmentGate{Segment: "X-Country=" + country, Gate: g})
	}
	return r
}

func TestTheWorstSegmentsAreNamed(t *testing.T) {
	t.Parallel()
	r := bySegment()
	for _, width := range []int{100, 160} {
		f := Frame{Width: width, Wide: width > 100, Now: noon}
		golden(t, fmt.Sprintf("segments-%d.txt", width), strings.Join(f.Lines(&r, nil), "\n")+"\n")
	}
}
