//go:build !race

package cutoff

// million is how many requests a simulation sends.
const million = 1_000_000
