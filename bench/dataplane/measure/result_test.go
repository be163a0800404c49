package measure

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
)

func TestCostsAreSharedByWhatWasServed(t *testing.T) {
	t.Parallel()
	s := Saturated{Saturation: load.Saturation{Requests: 4000}, CPU: 100 * time.Millisecond}
	o := Open{Opened: load.Opened{Sent: 2000}, CPU: 100 * time.Millisecond}
	e := Streams{Streamed: load.Streamed{Sent: 1000}, CPU: 100 * time.Millisecond}
	if s.PerRequest() != 25*time.Microsecond || o.PerRequest() != 50*time.Microsecond || e.PerEvent() != 100*time.Microsecond {
		t.Errorf("%v, %v, %v", s.PerRequest(), o.PerRequest(), e.PerEvent())
	}
	if none := (&Saturated{CPU: time.Second}).PerRequest(); none != 0 {
		t.Errorf("nothing served costs %v each", none)
	}
}

func TestTheMachineIsRead(t *testing.T) {
	t.Parallel()
	if got := processor("processor\t: 0\nmodel name\t: Some Processor: 2.5GHz\nmodel name\t: Another\n"); got != "Some Processor: 2.5GHz" {
		t.Errorf("processor %q", got)
	}
	if got := processor("CPU architecture: 8\n"); got != "unknown" {
		t.Errorf("a processor without a name is %q", got)
	}
	if got := averages("1.50 0.75 0.25 2/345 6789\n"); got != "1.50, 0.75, 0.25" {
		t.Errorf("load averages %q", got)
	}
	if got := averages("1.50"); got != "" {
		t.Errorf("load averages of nothing are %q", got)
	}
}
