//go:build race

package cutoff

// million is a tenth of one under the race detector, which is ten times slower
// and finds nothing in simulations of one goroutine.
const million = 100_000
