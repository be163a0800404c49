package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
)

const actions = "/api/v1/rollouts/fraud-v7/actions"

func TestEveryCodeHasItsStatusAndItsDocument(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		status int
		code   api.ProblemCode
		detail string
	}{
		"invalid":      {problem.New(problem.Invalid, "weight is 101%%"), 400, "invalid", "weight is 101%"},
		"not found":    {problem.New(problem.NotFound, "no rollout"), 404, "not_found", "no rollout"},
		"conflict":     {problem.New(problem.Conflict, "two on one model"), 409, "conflict", "two on one model"},
		"exists":       {problem.New(problem.Exists, "taken"), 409, "exists", "taken"},
		"refused":      {fmt.Errorf("promote: %w", problem.New(problem.Refused, "a failing gate")), 422, "refused", "promote: a failing gate"},
		"unauthorized": {problem.New(problem.Unauthorized, "no"), 403, "unauthorized", "no"},
		"too large":    {problem.New(problem.TooLarge, "big"), 413, "too_large", "big"},
		"unavailable":  {problem.New(problem.Unavailable, "the disk is full"), 503, "unavailable", "the disk is full"},
		"precondition": {problem.New(problem.Precondition, "old"), 412, "precondition", "old"},
		"internal":     {errors.New("secret path /var/x"), 500, "internal", "an error inside the server; its log says more"},
		"busy":         {&ledger.Busy{RetryAfter: 1500 * time.Millisecond, Message: "too many"}, 503, "unavailable", "too many; send the batch again in 1.5s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.engine.fail(tt.err)
			w := h.do(t, request{method: "POST", path: actions, body: `{"kind":"pause"}`})
			got := body[api.Problem](t, w)
			if w.Code != tt.status || got.Status != tt.status || got.Code != tt.code || got.Detail != tt.detail || got.Title == "" {
				t.Errorf("got %d %+v, want %d %s %q", w.Code, got, tt.status, tt.code, tt.detail)
			}
			if kind := w.Header().Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("content type %q", kind)
			}
			wantRetry := map[string]string{"unavailable": "1", "busy": "2"}[name]
			if after := w.Header().Get("Retry-After"); after != wantRetry {
				t.Errorf("Retry-After %q, want %q", after, wantRetry)
			}
		})
	}
}

func TestAllProblemsOfAFileAreAnswered(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.engine.fail(fmt.Errorf("apply: %w", spec.Problems{
		{File: "f.yaml", Line: 3, Column: 7, Path: "spec.stages[0].weight", Message: "is 101%", Hint: "use at most 100%"},
		{File: "f.yaml", Line: 9, Column: 1, Message: "unknown field"},
	}))
	got := body[api.Problem](t, h.do(t, request{method: "POST", path: "/api/v1/apply?file=f.yaml", body: "x"}))
	want := []api.FileProblem{
		{File: "f.yaml", Line: 3, Column: 7, Path: "spec.stages[0].weight", Message: "is 101%", Hint: "use at most 100%"},
		{File: "f.yaml", Line: 9, Column: 1, Message: "unknown field"},
	}
	if diff := cmp.Diff(want, got.Problems); diff != "" || got.Detail != "2 problems" || got.Status != 400 {
		t.Errorf("got %d %q; problems (-want +got):\n%s", got.Status, got.Detail, diff)
	}
}

func TestRequestsReachTheEngineAsTheyWereMeant(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	named := map[string]string{"Belay-Actor": "mira"}
	for _, r := range []request{
		{method: "POST", path: "/api/v1/apply?file=f.yaml&dryRun=true", body: "kind: Model\n", header: named},
		{method: "POST", path: "/api/v1/rollouts", body: `{"model":"fraud","version":"v8","url":"http://x","policy":"fast","name":"n"}`, header: named},
		{method: "POST", path: actions, body: `{"kind":"promote","reason":" seen ","override":true}`, header: map[string]string{"Belay-Actor": "mira", "If-Match": `"3"`}},
		{method: "POST", path: actions, body: `{"kind":"pause"}`},
		{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","assignment":"t","metric":"correct","value":1},{"id":"b","model":"fraud","unit":"u","metric":"x","value":0,"covariate":12.5,"time":"2026-11-23T12:00:00Z"}]}`},
	} {
		if w := h.do(t, r); w.Code/100 != 2 {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	mira := command.Actor{Name: "mira"}
	if diff := cmp.Diff([]command.ApplyRequest{{Actor: mira, File: "f.yaml", Data: []byte("kind: Model\n"), DryRun: true}}, h.engine.applied); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]command.StartRequest{{Actor: mira, Model: "fraud", Version: "v8", URL: "http://x", Policy: "fast", Name: "n"}}, h.engine.started); diff != "" {
		t.Errorf("start (-want +got):\n%s", diff)
	}
	wantActs := []command.ActRequest{
		{Actor: mira, Rollout: "fraud-v7", Kind: rollout.ActPromote, Reason: "seen", Override: true, IfRevision: 3},
		{Actor: command.Actor{Name: "unnamed caller at 192.0.2.1"}, Rollout: "fraud-v7", Kind: rollout.ActPause},
	}
	if diff := cmp.Diff(wantActs, h.engine.acted); diff != "" {
		t.Errorf("act (-want +got):\n%s", diff)
	}
	known := 12.5
	wantOutcomes := [][]ledger.Outcome{{
		{ID: "a", Assignment: "t", Metric: "correct", Value: 1},
		{ID: "b", Model: "fraud", Unit: "u", Metric: "x", Time: epoch, Covariate: &known},
	}}
	if diff := cmp.Diff(wantOutcomes, h.engine.reported); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestAnswersAreWhatTheContractSays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	get := func(path string) map[string]any { return body[map[string]any](t, h.do(t, request{path: path})) }

	r := get("/api/v1/rollouts/fraud")
	for field, want := range map[string]any{"name": "fraud-v7", "phase": "Progressing", "schemaVersion": spec.APIVersion, "evidenceAgeSeconds": 0.4} {
		if r[field] != want {
			t.Errorf("rollout.%s is %v, want %v", field, r[field], want)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"salt", `"id"`} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the answer gives away the rollout's %s", secret)
		}
	}
	gates := r["gates"].([]any)
	first, second := gates[0].(map[string]any), gates[1].(map[string]any)
	if first["marginValue"] != 0.2 || first["worse"] != "up" || first["bound"].(map[string]any)["lower"] != -0.3 {
		t.Errorf("first gate: %v", first)
	}
	if second["marginValue"] != -0.04 || second["worse"] != "down" || second["bound"] != nil {
		t.Errorf("second gate: %v", second)
	}

	if m := get("/api/v1/models"); m["items"].([]any)[0].(map[string]any)["name"] != "fraud" {
		t.Errorf("models: %v", m)
	}
	if p := get("/api/v1/policies/standard"); p["preset"] != true {
		t.Errorf("policy: %v", p)
	}
	if s := get("/api/v1/schema"); len(s) == 0 {
		t.Error("the schema is empty")
	}
	if v := get("/api/v1/version"); v["schemaVersion"] != spec.APIVersion {
		t.Errorf("version: %v", v)
	}
	if d := get("/openapi.json"); d["openapi"] != "3.1.0" {
		t.Errorf("the document is of version %v", d["openapi"])
	}
	o := body[api.OutcomeResult](t, h.do(t, request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":1},{"id":"b","metric":"m","value":1}]}`}))
	if diff := cmp.Diff(api.OutcomeResult{Accepted: 1, Refused: []api.Refusal{{Index: 1, ID: "b", Reason: "no metric"}}}, o); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	a := body[api.ApplyResult](t, h.do(t, request{method: "POST", path: "/api/v1/apply?file=f", body: "x"}))
	if len(a.Warnings) != 1 || a.Warnings[0].Line != 3 || a.Warnings[0].Caution != "ManyGates" || a.Applied[0].Change != "created" {
		t.Errorf("apply: %+v", a)
	}
}

func TestThingsThatAreNotThere(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{
		"/api/v1/rollouts/none", "/api/v1/rollouts/none/decisions", "/api/v1/models/none", "/api/v1/policies/none",
		"/api/v1/events?rollout=none", "/api/v2/rollouts", "/", "/api/v1/rollouts/fraud-v7/nothing",
	} {
		w := h.do(t, request{path: path})
		if p := body[api.Problem](t, w); w.Code != 404 || p.Code != "not_found" {
			t.Errorf("%s: %d %+v", path, w.Code, p)
		}
	}
	w := h.do(t, request{method: "DELETE", path: "/api/v1/rollouts/fraud-v7"})
	if p := body[api.Problem](t, w); w.Code != 405 || p.Code != "method" || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE: %d %+v, Allow %q", w.Code, p, w.Header().Get("Allow"))
	}
}

func TestRequestsThatAreWrongInThemselves(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		r      request
		status int
		detail string
	}{
		"an unknown field":           {request{method: "POST", path: actions, body: `{"kind":"pause","why":"x"}`}, 400, `unknown field "why"`},
		"a wrong type":               {request{method: "POST", path: actions, body: "{\n \"kind\": 3}"}, 400, "kind is a number and must be a string, at line 2"},
		"no JSON":                    {request{method: "POST", path: actions, body: "kind: pause"}, 400, "no JSON"},
		"a cut JSON":                 {request{method: "POST", path: actions, body: `{"kind":"pau`}, 400, "ends too early, after 12 bytes"},
		"two values":                 {request{method: "POST", path: actions, body: `{"kind":"pause"} {}`}, 400, "goes on after its JSON value"},
		"nothing":                    {request{method: "POST", path: actions}, 400, "ends too early"},
		"an unknown act":             {request{method: "POST", path: actions, body: `{"kind":"explode"}`}, 400, "use pause, resume, promote"},
		"recover is not for people":  {request{method: "POST", path: actions, body: `{"kind":"recover"}`}, 400, "use pause, resume, promote"},
		"override of a pause":        {request{method: "POST", path: actions, body: `{"kind":"pause","override":true,"reason":"x"}`}, 400, "override goes with promote"},
		"override without a reason":  {request{method: "POST", path: actions, body: `{"kind":"promote","override":true,"reason":" "}`, header: map[string]string{"Belay-Actor": "m"}}, 422, "needs a reason"},
		"override without a name":    {request{method: "POST", path: actions, body: `{"kind":"promote","override":true,"reason":"x"}`}, 422, "needs a name"},
		"a name of two lines":        {request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"Belay-Actor": "a\x01b"}}, 400, "Belay-Actor is no name"},
		"a long reason":              {request{method: "POST", path: actions, body: `{"kind":"pause","reason":"` + strings.Repeat("x", 1001) + `"}`}, 400, "more than 1000"},
		"If-Match that is no ETag":   {request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"If-Match": "3"}}, 400, "send back the ETag"},
		"If-Match where none is":     {request{method: "POST", path: "/api/v1/apply", body: `x`, header: map[string]string{"If-Match": `"3"`}}, 400, "leave If-Match out"},
		"a limit beyond the bound":   {request{path: "/api/v1/rollouts?limit=1001"}, 400, "use 1 to 1000"},
		"a limit that is no number":  {request{path: "/api/v1/rollouts?limit=x"}, 400, "limit"},
		"no outcomes":                {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[]}`}, 400, "no outcomes"},
		"too many outcomes":          {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[` + strings.Repeat(`{"id":"","metric":"","value":0},`, MaxOutcomes) + `{"id":"","metric":"","value":0}]}`}, 413, "more than 10000"},
		"an outcome without a value": {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":1},{"id":"b","metric":"m"}]}`}, 400, "outcomes[1].value is missing"},
		"a value of null":            {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":null}]}`}, 400, "outcomes[0].value is missing"},
		"a value out of range":       {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":1e999}]}`}, 400, "outcomes.value is 1e999, which is out of range"},
		"a time that is none":        {request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":1,"time":"yesterday"}]}`}, 400, "yesterday"},
		"a compressed body":          {request{method: "POST", path: actions, body: `x`, header: map[string]string{"Content-Encoding": "gzip"}}, 400, "Content-Encoding"},
		"an oversized body":          {request{method: "POST", path: "/api/v1/apply", body: strings.Repeat("x", 1<<20+1)}, 413, "larger than 1048576 bytes"},
		"an oversized act":           {request{method: "POST", path: actions, body: strings.Repeat(" ", 64<<10+1)}, 413, "larger than 65536 bytes"},
		"a long key":                 {request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 201)}}, 400, "more than 200"},
		"another origin":             {request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}}, 403, "http://evil.example"},
		"a name that leads here":     {request{path: "/api/v1/rollouts", header: map[string]string{"Host": "evil.example:7070"}}, 403, "evil.example"},
		"an id of another stream":    {request{path: "/api/v1/events?rollout=fraud", header: map[string]string{"Last-Event-ID": "x"}}, 400, "Last-Event-ID"},
		"an id that is no time":      {request{path: "/api/v1/events", header: map[string]string{"Last-Event-ID": "17"}}, 400, "Last-Event-ID"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			w := h.do(t, tt.r)
			p := body[api.Problem](t, w)
			if w.Code != tt.status || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got %d %q, want %d with %q", w.Code, p.Detail, tt.status, tt.detail)
			}
			if len(h.engine.acted)+len(h.engine.applied)+len(h.engine.reported) != 0 {
				t.Error("the engine was asked all the same")
			}
		})
	}
}

func TestNamesOfThisMachineAreItsOwn(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1:7070": true, "localhost": true, "localhost:1": true, "[::1]:7070": true, "[::1]": true, "127.9.9.9": true,
		"evil.example": false, "192.168.0.1:7070": false, "localhost.evil.example:7070": false, "": false,
	} {
		if got := isLocal(host); got != want {
			t.Errorf("isLocal(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestETagsCarryTheRevision(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if w := h.do(t, request{path: "/api/v1/rollouts/fraud-v7"}); w.Header().Get("ETag") != `"3"` {
		t.Errorf("status: ETag %q", w.Header().Get("ETag"))
	}
	w := h.do(t, request{method: "POST", path: "/api/v1/rollouts", body: `{"model":"fraud","version":"v8","url":"http://x"}`})
	if w.Code != 201 || w.Header().Get("ETag") != `"1"` || w.Header().Get("Location") != "/api/v1/rollouts/fraud-v8" {
		t.Errorf("start: %d, ETag %q, Location %q", w.Code, w.Header().Get("ETag"), w.Header().Get("Location"))
	}
	if w := h.do(t, request{method: "POST", path: "/api/v1/rollouts?dryRun=true", body: `{"model":"fraud","version":"v8","url":"http://x"}`}); w.Code != 200 || w.Header().Get("Location") != "" {
		t.Errorf("dry run: %d, Location %q", w.Code, w.Header().Get("Location"))
	}
	act := func(match string) int {
		return h.do(t, request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"If-Match": match}}).Code
	}
	for match, want := range map[string]int{`"3"`: 200, `*`: 200, `"2"`: 412} {
		if got := act(match); got != want {
			t.Errorf("If-Match %s: %d, want %d", match, got, want)
		}
	}
}

func TestAPanicEndsNothingButItsRequest(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.engine.onAct = func() { panic("boom") }
	w := h.do(t, request{method: "POST", path: actions, body: `{"kind":"pause"}`})
	if p := body[api.Problem](t, w); w.Code != 500 || p.Code != "internal" || strings.Contains(p.Detail, "boom") {
		t.Errorf("got %d %+v", w.Code, p)
	}
}

func TestDecisionsComeWithTheirInputs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]struct {
		query string
		want  []int64
	}{
		"all":            {"", []int64{1, 2, 3}},
		"after one":      {"?after=1", []int64{2, 3}},
		"a page":         {"?after=1&limit=1", []int64{2}},
		"the last":       {"?after=-1", []int64{3}},
		"more than all":  {"?after=-9", []int64{1, 2, 3}},
		"beyond the end": {"?after=7", nil},
	}
	for name, tt := range tests {
		got := body[api.DecisionList](t, h.do(t, request{path: "/api/v1/rollouts/fraud/decisions" + tt.query}))
		var seqs []int64
		for _, d := range got.Items {
			seqs = append(seqs, d.Seq)
		}
		if diff := cmp.Diff(tt.want, seqs); diff != "" || got.Rollout != "fraud-v7" {
			t.Errorf("%s: of %q (-want +got):\n%s", name, got.Rollout, diff)
		}
	}
	d := body[api.DecisionList](t, h.do(t, request{path: "/api/v1/rollouts/fraud/decisions?limit=1&evidence=true"})).Items[0]
	if string(d.Inputs) != string(logged(1).Body) {
		t.Errorf("the inputs are not the bytes that were hashed:\n%s\n%s", d.Inputs, logged(1).Body)
	}
	if len(d.Evidence) != 2 || d.Check.Number != 5 || d.Check.Name != "dwell" {
		t.Errorf("evidence %v, check %+v", d.Evidence, d.Check)
	}
	g := d.Gates[0]
	if g.Margin != "+20%" || g.LogFailAt < 3.6 || g.LogFailAt > 3.7 || g.PerStage[0] != -0.5 {
		t.Errorf("gate %+v", g)
	}
}
