package router

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestAUnitAlwaysGetsTheArmOfItsHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	for i, weight := range []uint32{0, 100, 2500, split.Whole} {
		w.swap(t, weight, plan{stratum: uint8(i)})
		for u := range 40 {
			unit := fmt.Sprint("user-", u)
			want := split.Pick(split.Salt(0x5eed).Hash(unit), weight).String()
			for range 2 {
				a := w.infer(t, unit)
				served := map[string]string{"baseline": `"v1"`, "candidate": `"v2"`}[want]
				if a.arm() != want || !strings.Contains(a.body, served) {
					t.Errorf("at weight %d, %s went to the %s: %s; want %s", weight, unit, a.arm(), a.body, want)
				}
			}
		}
	}
}

func TestUnitsFromEverySource(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		unit   table.Unit
		path   string
		header string
	}{
		"header": {table.Unit{Source: table.UnitHeader, Name: "X-Session"}, "/v2/models/m/infer", "X-Session: u1"},
		"cookie": {table.Unit{Source: table.UnitCookie, Name: "sid"}, "/v2/models/m/infer", "Cookie: a=b; sid=u1"},
		"query":  {table.Unit{Source: table.UnitQuery, Name: "user"}, "/v2/models/m/infer?user=u1", "X-None: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Limits{})
			w.swap(t, 5000, plan{unit: tt.unit})
			want := split.Salt(0x5eed).Hash("u1")
			a := w.do(t, http.MethodPost, tt.path, inferBody, tt.header)
			e, err := w.signer.Read(a.header.Get(assignmentField))
			if err != nil || e.Unit != want.Second || a.arm() != split.Pick(want, 5000).String() {
				t.Errorf("unit %x of the %s, %v; want %x", e.Unit, a.arm(), err, want.Second)
			}
			if s := w.state(t); s.Unitless != 0 {
				t.Errorf("%d without a unit", s.Unitless)
			}
		})
	}
}

// A unit in the body is found however the body is sent, as long as it lies within
// its first 64 KiB.
func TestUnitsFromTheBody(t *testing.T) {
	t.Parallel()
	const head = `{"user":"u1","inputs":[`
	long := strings.Repeat(" ", 80<<10)
	for name, tt := range map[string]struct {
		body     string
		chunked  bool
		encoding string
		unitless uint64
	}{
		"a small body":              {head + "]}", false, "", 0},
		"a small body in chunks":    {head + "]}", true, "", 0},
		"the beginning of a long":   {head + long + "]}", false, "", 0},
		"the beginning, in chunks":  {head + long + "]}", true, "", 0},
		"behind the beginning":      {long + head + "]}", true, "", 1},
		"a body that has none":      {`{"users":"u1"}`, false, "", 1},
		"a body that is no JSON":    {"u1", true, "", 1},
		"no body":                   {"", false, "", 1},
		"a body that is compressed": {head + "]}", false, "gzip", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Limits{})
			received := make(chan int64, 1)
			version := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				n, _ := io.Copy(io.Discard, req.Body)
				if req.Method == http.MethodPost {
					received <- n
				}
			}))
			t.Cleanup(version.Close)
			w.urls = [split.Arms]string{version.URL, version.URL}
			w.swap(t, 5000, plan{protocol: table.HTTP, unit: table.Unit{Source: table.UnitJSON, Name: "/user"}, segments: []table.Unit{{Source: table.UnitJSON, Name: "/user"}}})
			var body io.Reader = strings.NewReader(tt.body)
			if tt.chunked {
				body = io.MultiReader(body) // Of unknown length.
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.addr+"/score", body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.encoding != "" {
				req.Header.Set("Content-Encoding", tt.encoding)
			}
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			e, err := w.signer.Read(resp.Header.Get(assignmentField))
			if err != nil {
				t.Fatal(err)
			}
			want, segment := split.Salt(0x5eed).Hash("u1"), assignment.Mark("/user=u1")
			if s := w.state(t); s.Unitless != tt.unitless {
				t.Errorf("%d without a unit, want %d", s.Unitless, tt.unitless)
			}
			if known := e.Unit == want.Second && e.Segments[0] == segment; known != (tt.unitless == 0) {
				t.Errorf("unit %x, want %x; segments %v", e.Unit, want.Second, e.Segments)
			}
			if got := <-received; got != int64(len(tt.body)) {
				t.Errorf("the version got %d bytes of %d", got, len(tt.body))
			}
		})
	}
}

// A request without its unit is a unit of its own, and is counted as such.
func TestRequestsWithoutTheirUnitAreSplitAtRandom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 5000, plan{})
	const n = 400
	candidate := 0
	for range n {
		if w.infer(t, "").arm() == "candidate" {
			candidate++
		}
	}
	if math.Abs(float64(candidate)-n/2) > 5*math.Sqrt(n)/2 {
		t.Errorf("%d of %d went to the candidate", candidate, n)
	}
	if s := w.state(t); s.Unitless != n {
		t.Errorf("%d counted without a unit, want %d", s.Unitless, n)
	}
	if got := w.collected(t, sticky, n); len(got.exposures) != 0 {
		t.Errorf("%d exposures of requests that have no unit", len(got.exposures))
	}
}

func TestEveryRequestAUnitOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	own := table.Unit{Source: table.UnitRequest}
	w.swap(t, 5000, plan{unit: own})
	const n = 400
	candidate, units := 0, map[uint64]bool{}
	for range n {
		a := w.infer(t, "the same user")
		if a.arm() == "candidate" {
			candidate++
		}
		e, err := w.signer.Read(a.header.Get(assignmentField))
		if err != nil {
			t.Fatal(err)
		}
		units[e.Unit] = true
	}
	if math.Abs(float64(candidate)-n/2) > 5*math.Sqrt(n)/2 || len(units) != n {
		t.Errorf("%d of %d went to the candidate, %d units", candidate, n, len(units))
	}
	if s := w.state(t); s.Unitless != 0 {
		t.Errorf("%d counted as lacking a unit that they need not have", s.Unitless)
	}
	if got := w.collected(t, own, n); len(got.exposures) != 0 || got.side(0, split.Candidate).Requests != uint64(candidate) {
		t.Errorf("%d exposures, %d candidate requests; want none and %d", len(got.exposures), got.side(0, split.Candidate).Requests, candidate)
	}
}

func TestTheTokenNamesTheExposure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{stratum: 5})
	before := time.Now()
	a := w.infer(t, "u1")
	e, err := w.signer.Read(a.header.Get(assignmentField))
	if err != nil {
		t.Fatal(err)
	}
	want := split.Salt(0x5eed).Hash("u1").Second
	if e.Rollout != rolloutNumber || e.Stratum != 5 || e.Arm != split.Candidate || e.Pinned || e.Unit != want {
		t.Errorf("token %+v", e)
	}
	if e.Time.Before(before.Add(-time.Millisecond)) || e.Time.After(time.Now()) {
		t.Errorf("at %v, sent at %v", e.Time, before)
	}
	b := w.infer(t, "u1")
	again, err := w.signer.Read(b.header.Get(assignmentField))
	if err != nil || again.Request == e.Request {
		t.Errorf("two requests, one token: %+v, %v", again, err)
	}
}

func TestWithoutARolloutThereIsNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{alone: true})
	a := w.infer(t, "u1")
	if a.status != 200 || a.arm() != "baseline" || a.header.Get(assignmentField) != "" {
		t.Errorf("status %d, arm %s, token %q", a.status, a.arm(), a.header.Get(assignmentField))
	}
	if got := w.router.Collect(); len(got) != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestACandidateThatIsOnlyKeptWarmIsInNoComparison(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{stratum: table.NoStratum})
	a := w.infer(t, "u1")
	e, err := w.signer.Read(a.header.Get(assignmentField))
	if err != nil || e.Stratum != table.NoStratum || a.arm() != "baseline" {
		t.Errorf("token %+v, %v of the %s; want one that is in no comparison", e, err, a.arm())
	}
	if got := w.router.Collect(); len(got) != 0 {
		t.Errorf("counted %+v", got)
	}
	waitFor(t, "the candidate to be found ready", func() bool { return w.state(t).Candidate.State == "ready" })
	if s := w.state(t); s.Stratum != table.NoStratum || s.LastRequest.IsZero() {
		t.Errorf("state %+v", s)
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		plan   plan
		weight uint32
		pin    string
		arm    string
		pinned bool
	}{
		"a pin to the candidate":                 {plan{pins: true}, 1, "candidate", "candidate", true},
		"a pin to the baseline":                  {plan{pins: true}, split.Whole, "baseline", "baseline", true},
		"a pin that the policy does not allow":   {plan{}, split.Whole, "baseline", "candidate", false},
		"a pin to nothing there is":              {plan{pins: true}, split.Whole, "canary", "candidate", false},
		"no pin":                                 {plan{pins: true}, split.Whole, "", "candidate", false},
		"a pin to a candidate that was put back": {plan{pins: true}, 0, "candidate", "baseline", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Limits{})
			w.swap(t, tt.weight, tt.plan)
			a := w.do(t, http.MethodPost, "/v2/models/m/infer", inferBody, "X-User-Id: u1", "Belay-Pin: "+tt.pin)
			e, err := w.signer.Read(a.header.Get(assignmentField))
			if err != nil || a.arm() != tt.arm || e.Arm.String() != tt.arm || e.Pinned != tt.pinned {
				t.Errorf("went to the %s with %+v, %v; want %s, pinned %v", a.arm(), e, err, tt.arm, tt.pinned)
			}
			counted := uint64(0)
			for _, b := range w.router.Collect() {
				counted += b.Delta.Sides[0].Requests + b.Delta.Sides[1].Requests
			}
			if counted == 0 != tt.pinned || w.state(t).Pinned > 0 != tt.pinned {
				t.Errorf("%d counted as evidence, %d as pinned", counted, w.state(t).Pinned)
			}
		})
	}
}

func TestAPinTellsNothingOfTheCandidatesSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 1, plan{pins: true})
	for _, pin := range []string{"", "", "candidate", "baseline", "baseline", ""} {
		w.do(t, http.MethodPost, "/v2/models/m/infer", inferBody, "X-User-Id: u1", "Belay-Pin: "+pin)
	}
	if s := w.state(t); s.SinceCandidate != 3 || s.Started.IsZero() || s.Pinned != 3 {
		t.Errorf("a silence of %d, %d pinned, started %v; want 3, 3 and a moment", s.SinceCandidate, s.Pinned, s.Started)
	}
}

// Who pins the candidate wants to see the candidate, and says nothing of it.
func TestAPinnedFailureIsShownAndCountsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 1, plan{pins: true})
	w.candidate.SetErrors(1, 500)
	for i := range 30 {
		a := w.do(t, http.MethodPost, "/v2/models/m/infer", inferBody, fmt.Sprint("X-User-Id: u", i), "Belay-Pin: candidate")
		if a.status != 500 || a.header.Get(shieldedField) != "" {
			t.Fatalf("status %d, shielded %q", a.status, a.header.Get(shieldedField))
		}
	}
	_ = w.candidate.Refuse()
	for range 5 {
		w.do(t, http.MethodPost, "/v2/models/m/infer", inferBody, "Belay-Pin: candidate")
	}
	if s := w.state(t); s.CutOff != nil || s.Rescued != 0 || s.Pinned != 35 || s.InFlight != 0 {
		t.Errorf("state %+v", s)
	}
}

// After a cut-off not even a pin reaches the candidate.
func TestAPinDoesNotUndoACutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{pins: true})
	_ = w.candidate.Refuse()
	for range 3 {
		w.infer(t, "u")
	}
	a := w.do(t, http.MethodPost, "/v2/models/m/infer", inferBody, "Belay-Pin: candidate")
	if a.status != 200 || a.arm() != "baseline" {
		t.Errorf("status %d from the %s", a.status, a.arm())
	}
}

// Widening under load: no unit that was the candidate's ever goes back, and no
// request is lost, though tables are swapped a hundred times meanwhile.
func TestNoUnitLeavesTheCandidateWhileTheWeightWidensUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{})
	const units, workers = 200, 8
	// epoch of a unit's first candidate answer, by the time it was begun.
	var moved sync.Map
	var sent, lost, back atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				unit := fmt.Sprint("unit-", i%units)
				began := time.Now()
				a, err := w.try(unit, inferBody)
				sent.Add(1)
				if err != nil || a.status != http.StatusOK {
					lost.Add(1)
					continue
				}
				since, was := moved.Load(unit)
				if a.arm() == "candidate" {
					if !was {
						moved.Store(unit, time.Now())
					}
				} else if was && began.After(since.(time.Time)) {
					back.Add(1)
				}
			}
		})
	}
	for i := range uint32(100) {
		w.swap(t, i*100, plan{stratum: uint8(i % evidence.MaxStrata)})
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	if lost.Load() != 0 || back.Load() != 0 || sent.Load() < 100 {
		t.Errorf("of %d requests %d were lost and %d went back to the baseline", sent.Load(), lost.Load(), back.Load())
	}
}

func TestTablesThatCannotBeServedAreRefusedAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	spoiled := func(change func(r *table.Route)) *table.Table {
		tab := w.table(0, plan{})
		change(tab.Routes[0])
		return tab
	}
	tests := map[string]struct {
		table *table.Table
		want  problem.Code
	}{
		"a baseline without an address":  {spoiled(func(r *table.Route) { r.Baseline.URL = nil }), problem.Invalid},
		"a candidate without an address": {spoiled(func(r *table.Route) { r.Split.Candidate.URL = &url.URL{} }), problem.Invalid},
		"an address of another kind":     {spoiled(func(r *table.Route) { r.Baseline.URL = mustURL("ftp://h/") }), problem.Invalid},
		"no layout":                      {spoiled(func(r *table.Route) { r.Split.Layout = nil }), problem.Invalid},
		"an older generation":            {&table.Table{}, problem.Conflict},
	}
	for name, tt := range tests {
		err := w.router.Swap(tt.table)
		if !problem.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if s := w.state(t); s.Weight != split.Whole || s.Generation != 1 {
			t.Errorf("%s: generation %d at weight %d is in force", name, s.Generation, s.Weight)
		}
	}
	if a := w.infer(t, "u"); a.arm() != "candidate" {
		t.Errorf("a request went to the %s", a.arm())
	}
	if w.router.Table().Generation != 1 {
		t.Errorf("table %d is said to be in force", w.router.Table().Generation)
	}
}

// A layout that changes under its rollout must not hold a rollback up.
func TestAChangedLayoutKeepsTheFirstAndTakesEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	w.infer(t, "u")
	other := evidence.NewLayout(true, "outcome:other")
	w.swap(t, 0, plan{layout: &other, stratum: 1})
	if a := w.infer(t, "u"); a.arm() != "baseline" {
		t.Errorf("a request went to the %s", a.arm())
	}
	var got seen
	got.collect(w, layoutOf(sticky))
	if got.requests(0) != 1 || got.requests(1) != 1 {
		t.Errorf("%d and %d requests", got.requests(0), got.requests(1))
	}
}

func TestSeveralModelsDoNotMix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	layout := evidence.NewLayout(true)
	route := func(model string, rollout uint64, weight uint32) *table.Route {
		return &table.Route{
			Model: model, Protocol: table.HTTP, Unit: sticky, Match: table.Match{PathPrefix: "/" + model},
			Baseline: table.Version{Name: "v1", URL: mustURL(w.baseline.URL())},
			Split: &table.Split{
				Rollout: rollout, Name: model, Salt: split.Salt(rollout), Weight: weight, Layout: &layout,
				Candidate: table.Version{Name: "v2", URL: mustURL(w.candidate.URL())},
			},
		}
	}
	if err := w.router.Swap(table.Build(1, []*table.Route{route("a", 1, 0), route("b", 2, split.Whole)})); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		unit := fmt.Sprint("X-User-Id: u", i)
		if a, b := w.do(t, http.MethodGet, "/a/x", "", unit), w.do(t, http.MethodGet, "/b", "", unit); a.arm() != "baseline" || b.arm() != "candidate" {
			t.Errorf("a went to the %s and b to the %s", a.arm(), b.arm())
		}
	}
	counted := map[uint64]uint64{}
	for _, b := range w.router.Collect() {
		counted[b.Rollout] += b.Delta.Sides[b.Rollout-1].Requests
	}
	if counted[1] != 10 || counted[2] != 10 {
		t.Errorf("counted %v", counted)
	}
	s := w.router.Stats()
	if s.Models["a"][split.Baseline][2] != 10 || s.Models["b"][split.Candidate][2] != 10 || s.Models["a"][split.Candidate] != ([Classes]uint64{}) {
		t.Errorf("stats %+v", s.Models)
	}
}
