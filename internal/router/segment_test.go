package router

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

func TestRequestsAreCountedByTheirSegments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{segments: []table.Unit{{Source: table.UnitHeader, Name: "X-Country"}, {Source: table.UnitQuery, Name: "tenant"}}})
	send := func(path string, header ...string) assignment.Exposure {
		a := w.do(t, http.MethodPost, path, inferBody, header...)
		e, err := w.signer.Read(a.header.Get(assignmentField))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return e
	}
	for range 3 {
		send("/v2/models/m/infer", "X-Country: DE")
	}
	e := send("/v2/models/m/infer?tenant=acme", "X-Country: MT")
	if want := [assignment.MaxSegments]uint32{assignment.Mark("X-Country=MT"), assignment.Mark("tenant=acme")}; e.Segments != want {
		t.Errorf("the token marks %v, want %v", e.Segments, want)
	}
	got := map[string]uint64{}
	waitFor(t, "4 requests", func() bool {
		for _, b := range w.router.Collect() {
			got[b.Segment] += b.Delta.Sides[split.Baseline].Requests
		}
		return got[""] == 4 && got["tenant=acme"] == 1 && got["tenant="] == 3
	})
	if got["X-Country=DE"] != 3 || got["X-Country=MT"] != 1 || len(got) != 5 {
		t.Errorf("%v", got)
	}
}

// Whatever a caller writes becomes a name of bounded length that can be shown.
func TestSegmentsHaveNamesThatCanBeShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := shown(rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "value"))
		if !utf8.ValidString(name) || len(name) > 3*maxSegmentValue || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q", name)
		}
	})
}
