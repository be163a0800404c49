// Package storetest is what every store.Store must do, as one suite of tests,
// and Memory, a documented fake of one for tests of what stands above the port.
//
// Each adapter runs the suite against the real database; the fake passes the
// same suite, so that what is proven above the fake holds above a database.
// What only a database can show (crashes, full disks, two servers) is tested
// beside each adapter. The package is linked by tests only.
package storetest

import (
	"maps"
	"testing"

	"github.com/belay-rollouts/belay/internal/store"
)

// cases are the tests of the suite, by the sentence that they hold up.
type cases map[string]func(t *testing.T, s store.Store)

// Run runs the suite. Each test opens an empty store of its own; open closes
// it when the test ends (closing twice is allowed).
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	all := cases{}
	for _, some := range []cases{catalogCases, rolloutCases, commitCases, logCases, ledgerCases, exposureCases, smallCases} {
		maps.Copy(all, some)
	}
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}
