package contest

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// checkBuckets fails unless buckets, where there are any, add up to a tally.
func checkBuckets(t *testing.T, what string, n, k uint64, b *evidence.Buckets) {
	t.Helper()
	if b == nil {
		return
	}
	var sumN, sumK uint64
	for i := range b.N {
		sumN += b.N[i]
		sumK += b.K[i]
	}
	if sumN != n || sumK != k {
		t.Errorf("%s: buckets hold %d of %d, the tally %d of %d", what, sumK, sumN, k, n)
	}
}
