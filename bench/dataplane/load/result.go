package load

import "time"

// Saturation is what a saturated proxy answered.
type Saturation struct {
	Requests int
	Took     time.Duration
	Failed   int // answers that were not 2xx or 3xx, and broken connections
	P50, P99 time.Duration
}

// Opened is what became of it.
type Opened struct {
	Delay     Summary // from the intended moment to the whole answer
	Lag       Summary // from the intended moment to the writing of the request
	Sent      int     // all requests, those before it counted, too
	Failed    int     // answers that are not 200 or come from no model, of those that count
	Broken    int     // connections that broke
	Candidate int     // answers of the candidate, of those that count
}

// Streamed is what became of them.
type Streamed struct {
	Delay     Summary // from the writing of an event to its arrival
	Gap       Summary // from one arrival to the next of the same stream
	Sent      int     // events, those before it counted, too
	Received  int
	Candidate int // streams that the candidate served
}
