package measure

import (
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
)

// Direct is the name of the way without a proxy.
const Direct = "direct"

// Results are what was measured, and where.
type Results struct {
	Began    time.Time
	Took     time.Duration
	Machine  Machine
	Settings Settings
	Proxies  []Subject // that were measured, in the order in which they are shown
	Missing  []Missing
	Cells    []Cell
}

// Machine is where it was measured.
type Machine struct {
	Processor string
	Cores     int
	System    string
	Load      string // the load averages when it began
}

// Settings say what was sent.
type Settings struct {
	Seconds   int // of each measurement
	Repeats   int
	Saturated int     // connections of wrk
	Rate      float64 // requests a second
	Conns     int     // connections for them
	Idle      int     // idle connections
	Streams   int
	Events    float64 // a second, of each stream
	Wrk       string  // its version
}

// Subject is a proxy that was measured.
type Subject struct {
	Name, Title, About, Version string
	Own                         bool
}

// Missing is a proxy that could not be measured.
type Missing struct{ Name, Title, Why string }

// Cell is what one repetition showed of one proxy. What failed is nil.
type Cell struct {
	Proxy     string
	Repeat    int
	Failures  []string   `json:",omitempty"`
	Memory    *Memory    `json:",omitempty"`
	Saturated *Saturated `json:",omitempty"`
	Open      *Open      `json:",omitempty"`
	Streams   *Streams   `json:",omitempty"`
}

// Memory is resident memory, in bytes.
type Memory struct {
	Start, Idle int64 // alone, and with idle connections
	Loaded      int64 // after it was saturated; 0 where that failed
}

// Saturated is a proxy under more requests than it takes.
type Saturated struct {
	load.Saturation
	CPU     time.Duration // of the proxy, by the scheduler
	Ticks   time.Duration // of the proxy, in steps of 10 ms
	Foreign float64       // cores that were busy with what is not ours
}

// PerRequest is the processor time of one request.
func (s *Saturated) PerRequest() time.Duration { return per(s.CPU, s.Requests) }

// Open is a proxy under requests of a fixed rate.
type Open struct {
	load.Opened
	CPU time.Duration
}

// PerRequest is the processor time of one request.
func (o *Open) PerRequest() time.Duration { return per(o.CPU, o.Sent) }

// Streams is a proxy under streams.
type Streams struct {
	load.Streamed
	CPU time.Duration
}

// PerEvent is the processor time of one event.
func (s *Streams) PerEvent() time.Duration { return per(s.CPU, s.Sent) }

func per(d time.Duration, n int) time.Duration {
	if n == 0 {
		return 0
	}
	return d / time.Duration(n)
}

// Upstreams is the first line of the command streams: the addresses of the two
// upstreams that it serves.
type Upstreams struct{ Addrs [2]string }
