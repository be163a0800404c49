package sqlite_test

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

// open opens a store that is closed when the test ends.
func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}
