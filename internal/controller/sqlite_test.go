package controller_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

// A day of rollout over a real database: by users, with a stop in between.
func TestARolloutOverARealDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		w := controllertest.Over(t, db)
		w.Model("m")
		w.Start(id, w.Plan("m", "header:X-User", short))
		load := errorsAt(0.01)
		load.Units, load.Report = 5000, time.Minute
		drive(t, w, load)
		time.Sleep(90 * time.Second)
		before, _ := w.Controller.Live(id)
		w.Stop()
		time.Sleep(time.Second)
		w.Boot()
		time.Sleep(2 * time.Second)
		after, _ := w.Controller.Live(id)
		if got, want := after.Findings.Evidence.Exposed(1), before.Findings.Evidence.Exposed(1); got < want {
			t.Errorf("%d candidate requests are known after a stop in order, %d were before", got, want)
		}
		if rec := until(t, w, "m-v2", time.Hour); rec.State.Phase != rollout.Completed {
			t.Errorf("ended %s: %s", rec.State.Phase, rec.Last.Sentence)
		}
		recompute(t, w, "m-v2")
	})
}
