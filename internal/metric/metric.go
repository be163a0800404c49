// Package metric is the port to what the servers of a version say of
// themselves: how much memory they hold, how much processor time they use.
//
// Servers are asked beside everything else, by the address that the user gave.
// Nothing that they answer, or fail to answer, reaches the traffic: what cannot
// be read is told as an error and is never a zero.
package metric

import (
	"context"

	"github.com/belay-rollouts/belay/internal/core/query"
)

// Source reads one server at a moment. It is safe for concurrent use.
type Source interface {
	// Read returns the series that each selector selects, in the order of the
	// selectors; none of them is an empty list, not an error. Values are as the
	// server says them, NaN and infinities included. Two readings of one series
	// give it the same key.
	//
	// The error says in one short line why the server could not be read, without
	// its address. Read returns when ctx ends, whatever the server does, and
	// holds no more than a bounded page in memory.
	Read(ctx context.Context, address string, want []query.Selector) (query.Page, error)
}
