package load

import (
	"math"
	"slices"
	"time"
)

// Summary is what a number of durations come to.
type Summary struct {
	N                              int
	Mean, P50, P90, P99, P999, Max time.Duration
}

// Summarise sorts durations, in nanoseconds, and sums them up. Quantiles are
// values that occurred: the smallest that has the share at or below it. Of none,
// everything is 0.
func Summarise(ns []int64) Summary {
	if len(ns) == 0 {
		return Summary{}
	}
	slices.Sort(ns)
	sum := 0.0
	for _, v := range ns {
		sum += float64(v)
	}
	at := func(q float64) time.Duration {
		return time.Duration(ns[max(int(math.Ceil(q*float64(len(ns))))-1, 0)])
	}
	return Summary{
		N: len(ns), Mean: time.Duration(sum / float64(len(ns))),
		P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: time.Duration(ns[len(ns)-1]),
	}
}
