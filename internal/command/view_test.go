package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic"
)

func (w *world) status(t *testing.T, name string) command.Status {
	t.Helper()
	st, err := w.Status(t.Context(), name)
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return st
}

func TestAStatusShowsWhatTheDecisionRestsOn(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.01)
		time.Sleep(30 * time.Second)
		st := w.status(t, "m-v2")
		if st.Record.Salt != 0 {
			t.Error("the salt is shown")
		}
		if st.Attempt != 1 || st.Unguarded != "" || st.Trouble != "" {
			t.Errorf("attempt %d, unguarded %q, trouble %q", st.Attempt, st.Unguarded, st.Trouble)
		}
		s := st.Stage
		if s.Index != 0 || s.Of != 3 || s.Weight != 1000 || s.Asked != 1000 || s.Effective != 1000 || s.Dwell != time.Minute || s.MinSamples != 50 {
			t.Errorf("stage %+v", s)
		}
		if s.Served < 25*time.Second || s.Served+s.Left != s.Dwell {
			t.Errorf("%v are served, %v left of %v", s.Served, s.Left, s.Dwell)
		}
		g := st.Gates[0]
		if g.Gate != "error_rate" || g.Verdict == gate.Fail || g.Margin != "+5pp" || g.Threshold <= 0 || g.Here.NT < 50 || g.NeedSamples != 0 {
			t.Errorf("gate %+v", g)
		}
		if g.Bound == nil || g.Bound.Lower > g.Bound.Estimate || g.Bound.Upper < g.Bound.Estimate {
			t.Errorf("bound %+v", g.Bound)
		}
		if n := float64(st.Exposure.Requests); n != g.Total.NT {
			t.Errorf("%v requests are exposed, %v are judged", n, g.Total.NT)
		}
		if st.SampleRatio.Mismatch || st.SampleRatio.Threshold <= 0 {
			t.Errorf("sample ratio %+v", st.SampleRatio)
		}
		if st.EvidenceAge < 0 || st.EvidenceAge > 2*time.Second {
			t.Errorf("the evidence is %v old", st.EvidenceAge)
		}
		list, err := w.List(t.Context(), store.Query{})
		if err != nil || len(list) != 1 || list[0].Gates[0].Bound != nil || list[0].Record.Salt != 0 {
			t.Errorf("list %+v, %v", list, err)
		}
	})
}

func TestAnUnguardedRolloutIsShownAsOne(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"without gates":               "  gates: []\n",
		"with gates that only hold":   "  gates: [{metric: error_rate, maxIncrease: 5pp, onFail: hold}]\n",
		"with gates that only inform": "  gates: [{metric: error_rate, maxIncrease: 5pp, role: info}]\n",
		"with gates that begin later": "  gates: [{metric: error_rate, maxIncrease: 5pp, from: 50%}]\n",
	}
	for name, gates := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *world) {
				w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", gates))
				time.Sleep(2 * time.Second)
				if st := w.status(t, "m-v2"); st.Unguarded == "" {
					t.Error("the status shows it as guarded")
				}
				list, err := w.List(t.Context(), store.Query{Active: true})
				if err != nil || list[0].Unguarded == "" {
					t.Errorf("the list shows it as guarded: %v", err)
				}
			})
		})
	}
}

func TestWhatComesNext(t *testing.T) {
	t.Parallel()
	var w *world
	see := func(t *testing.T, want ...string) {
		t.Helper()
		got := w.status(t, "m-v2").Next
		for _, text := range want {
			if !strings.Contains(got, text) {
				t.Errorf("next is %q, want it to say %q", got, text)
			}
		}
	}
	run(t, func(t *testing.T, world *world) {
		w = world
		w.Target.Deafen(true)
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		see(t, "10% as soon as the candidate is ready")
		w.Target.Deafen(false)
		time.Sleep(3 * time.Second)
		see(t, "50% at ", "unless a gate fails")
		time.Sleep(2 * time.Minute)
		see(t, "50% as soon as error_rate has its samples")
		time.Sleep(10 * time.Minute)
		see(t, "when the fault is over", "a person is asked at")
		time.Sleep(2 * time.Hour)
		see(t, "or a person decides", "belay rollback m-v2")
		w.act(t, "m-v2", rollout.ActAbort)
		see(t, "v1 serves everything again")
	})
}

func TestTheStatusOfARolloutThatIsOver(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.5)
		w.ends(t, "m-v2", rollout.RolledBack)
		for _, when := range []string{"at once", "days later", "after a restart"} {
			switch when {
			case "days later":
				time.Sleep(25 * time.Hour)
			case "after a restart":
				w.Stop()
				w.Boot()
				hub := command.NewHub()
				w.Service = command.New(command.Options{Store: w.Store, Controller: w.Controller, Ledger: w.Ledger, Hub: hub, Preflight: w.preflight})
			}
			st := w.status(t, "m-v2")
			if st.Gates[0].Verdict != gate.Fail || st.Exposure.Requests == 0 || st.Stage.Effective != 0 || st.Stage.Left != 0 {
				t.Errorf("%s: verdict %s, %d requests, %d in force", when, st.Gates[0].Verdict, st.Exposure.Requests, st.Stage.Effective)
			}
			if st.Record.Ending == nil || st.Record.Last.Kind != rollout.KindRollback || !strings.Contains(st.Next, "v1 serves") {
				t.Errorf("%s: ending %v, last %s, next %q", when, st.Record.Ending, st.Record.Last.Kind, st.Next)
			}
			list, err := w.List(t.Context(), store.Query{})
			if err != nil || len(list) != 1 || list[0].Gates[0].Verdict != gate.Fail {
				t.Errorf("%s: list %v, %v", when, list, err)
			}
		}
	})
}

func TestTroubleIsShown(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		w.Store.Fail(storetest.ErrFull)
		time.Sleep(2 * time.Minute)
		if st := w.status(t, "m-v2"); !strings.Contains(st.Trouble, "disk") {
			t.Errorf("trouble %q", st.Trouble)
		}
		w.Store.Fail(nil)
		time.Sleep(time.Minute)
		w.Target.EditObservation(w.Record("m-v2").ID, func(o *traffic.Observation) { o.Weight = 3 })
		time.Sleep(5 * time.Second)
		st := w.status(t, "m-v2")
		if st.Stage.Effective != 3 || st.Record.State.Fault == nil || st.Record.Last.Reason != rollout.ReasonNotAtWeight {
			t.Errorf("%d in force, fault %v, last %s", st.Stage.Effective, st.Record.State.Fault, st.Record.Last.Reason)
		}
	})
}

func TestUnitsAreCountedOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, strings.Replace(model("m", "v1"), "protocol: http", "protocol: http, unit: 'header:X-User'", 1), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		rec := w.Record("m-v2")
		for i := range 400 {
			w.Target.Send("m", "user-"+string(rune('a'+i%20)), time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		units := uint64(0)
		for i := range 20 {
			if split.Pick(rec.Salt.Hash("user-"+string(rune('a'+i))), 1000) == split.Candidate {
				units++
			}
		}
		if st := w.status(t, "m-v2"); st.Exposure.Units != units || st.Exposure.Requests != 20*units {
			t.Errorf("%d units with %d requests are exposed, want %d with %d", st.Exposure.Units, st.Exposure.Requests, units, 20*units)
		}
	})
}

func TestTheLogIsReadFromEitherEnd(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(10 * time.Minute)
		all, err := w.Service.Log(t.Context(), "m-v2", 0, 0)
		if err != nil || len(all) < 5 {
			t.Fatalf("%d entries, %v", len(all), err)
		}
		last, err := w.Service.Log(t.Context(), "m", -2, 10)
		if err != nil || len(last) != 2 || last[1].Entry.Seq != all[len(all)-1].Entry.Seq {
			t.Errorf("the last two: %d, %v", len(last), err)
		}
		if _, err := w.Service.Log(t.Context(), "x", 0, 10); !problem.Is(err, problem.NotFound) {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func TestPresetsAreAmongThePolicies(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, policy)
		policies, err := w.Policies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		preset := map[string]bool{}
		for _, p := range policies {
			preset[p.Name] = p.Preset
			if len(p.Source) == 0 {
				t.Errorf("policy %q has no document", p.Name)
			}
		}
		for name, want := range map[string]bool{"fast": true, "standard": true, "cautious": true, "careful": false} {
			if got, ok := preset[name]; !ok || got != want {
				t.Errorf("policy %q: there %v, preset %v", name, ok, got)
			}
		}
	})
}
