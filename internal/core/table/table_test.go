package table

import (
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		match  Match
		host   string
		path   string
		header http.Header
		want   bool
	}{
		"an empty match takes anything":           {path: "/", want: true},
		"a path takes itself":                     {match: Match{PathPrefix: "/v2/models/a"}, path: "/v2/models/a", want: true},
		"a path takes what lies below":            {match: Match{PathPrefix: "/v2/models/a"}, path: "/v2/models/a/infer", want: true},
		"a path takes whole segments":             {match: Match{PathPrefix: "/v2/models/a"}, path: "/v2/models/ab", want: false},
		"a path does not take what lies above":    {match: Match{PathPrefix: "/v2/models/a"}, path: "/v2/models", want: false},
		"a slash at the end changes nothing":      {match: Match{PathPrefix: "/v2/models/a/"}, path: "/v2/models/a", want: true},
		"the root takes every path":               {match: Match{PathPrefix: "/"}, path: "/x/y", want: true},
		"paths are told apart by case":            {match: Match{PathPrefix: "/A"}, path: "/a", want: false},
		"a host takes itself":                     {match: Match{Host: "a.example"}, host: "a.example", want: true},
		"a host is spelled in any case":           {match: Match{Host: "a.example"}, host: "A.Example", want: true},
		"a host's port is left out":               {match: Match{Host: "a.example"}, host: "a.example:8080", want: true},
		"another host":                            {match: Match{Host: "a.example"}, host: "b.example", want: false},
		"a host does not take those below it":     {match: Match{Host: "a.example"}, host: "x.a.example", want: false},
		"an address of version 6":                 {match: Match{Host: "[::1]"}, host: "[::1]:8080", want: true},
		"an address of version 6 without a port":  {match: Match{Host: "[::1]"}, host: "[::1]", want: true},
		"a header with any value":                 {match: Match{Header: "X-Model"}, header: http.Header{"X-Model": {"z"}}, want: true},
		"a header that is missing":                {match: Match{Header: "X-Model"}, header: http.Header{}, want: false},
		"a header with its value":                 {match: Match{Header: "X-Model", HeaderValue: "a"}, header: http.Header{"X-Model": {"a"}}, want: true},
		"a header with its value among others":    {match: Match{Header: "X-Model", HeaderValue: "a"}, header: http.Header{"X-Model": {"b", "a"}}, want: true},
		"a header with another value":             {match: Match{Header: "X-Model", HeaderValue: "a"}, header: http.Header{"X-Model": {"b"}}, want: false},
		"all parts must match":                    {match: Match{Host: "a.example", PathPrefix: "/p"}, host: "a.example", path: "/q", want: false},
		"no header at all":                        {match: Match{Header: "X-Model"}, want: false},
		"an empty host with a host asked for":     {match: Match{Host: "a.example"}, want: false},
		"a path that only begins like the prefix": {match: Match{PathPrefix: "/p"}, path: "/p.", want: false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := Build(1, []*Route{{Model: "m", Match: tt.match}})
			if got := table.Match(tt.host, tt.path, tt.header) != nil; got != tt.want {
				t.Errorf("%+v matches %q %q %v: %v, want %v", tt.match, tt.host, tt.path, tt.header, got, tt.want)
			}
		})
	}
}

func TestTheMostSpecificRouteWins(t *testing.T) {
	t.Parallel()
	header := http.Header{"X-Model": {"a"}}
	tests := map[string][]Match{ // The first is the one to win.
		"a longer path before a shorter one":      {{PathPrefix: "/v2/models/a"}, {PathPrefix: "/v2"}, {}},
		"a host before a path":                    {{Host: "h.example"}, {PathPrefix: "/v2/models/a"}},
		"a header before a host":                  {{Header: "X-Model"}, {Host: "h.example", PathPrefix: "/v2/models/a"}},
		"a header's value before any value":       {{Header: "X-Model", HeaderValue: "a"}, {Header: "X-Model"}},
		"a header and a host before a header":     {{Header: "X-Model", Host: "h.example"}, {Header: "X-Model", PathPrefix: "/v2/models/a"}},
		"the model's name settles what is equal":  {{PathPrefix: "/v2"}, {PathPrefix: "/v2"}},
		"a slash at the end makes no path longer": {{PathPrefix: "/v2"}, {PathPrefix: "/v2/"}},
	}
	for name, matches := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
				var routes []*Route
				for _, i := range order {
					if i < len(matches) {
						routes = append(routes, &Route{Model: string(rune('a' + i)), Match: matches[i]})
					}
				}
				got := Build(1, routes).Match("h.example", "/v2/models/a/infer", header)
				if got == nil || got.Model != "a" {
					t.Errorf("given in the order %v, %+v won", order, got)
				}
			}
		})
	}
}

func matches(t *rapid.T) Match {
	m := Match{
		Host:       rapid.SampledFrom([]string{"", "a.example", "b.example"}).Draw(t, "host"),
		PathPrefix: rapid.SampledFrom([]string{"", "/", "/v2", "/v2/", "/v2/models", "/v2/models/a", "/v2/models/ab"}).Draw(t, "path"),
		Header:     rapid.SampledFrom([]string{"", "X-Model", "X-Tenant"}).Draw(t, "header"),
	}
	if m.Header != "" {
		m.HeaderValue = rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")
	}
	return m
}

func routes(t *rapid.T) []*Route {
	var out []*Route
	for i, m := range rapid.SliceOfN(rapid.Custom(matches), 1, 8).Draw(t, "matches") {
		out = append(out, &Route{Model: string(rune('a' + i)), Match: m})
	}
	return out
}

type request struct {
	host, path string
	header     http.Header
}

func requests(t *rapid.T) request {
	r := request{
		host:   rapid.SampledFrom([]string{"a.example", "A.example:80", "b.example", "c.example"}).Draw(t, "to"),
		path:   rapid.SampledFrom([]string{"/", "/v2", "/v2/models", "/v2/models/a", "/v2/models/a/infer", "/v2/models/ab/infer", "/other"}).Draw(t, "of"),
		header: http.Header{},
	}
	for _, name := range []string{"X-Model", "X-Tenant"} {
		if v := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, name); v != "" {
			r.header[name] = []string{v}
		}
	}
	return r
}

func TestTheOrderOfTheInputDecidesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, req := routes(t), requests(t)
		want := Build(1, in).Match(req.host, req.path, req.header)
		got := Build(1, rapid.Permutation(in).Draw(t, "shuffled")).Match(req.host, req.path, req.header)
		if got != want {
			t.Fatalf("%+v goes to %+v in one order and to %+v in another", req, want, got)
		}
	})
}

// A route that takes a request alone never loses it to a route that takes
// more: whatever a winner matches, no other match of the request is a part of
// it.
func TestNoWiderRouteTakesARequestFromANarrowerOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, req := routes(t), requests(t)
		won := Build(1, in).Match(req.host, req.path, req.header)
		for _, r := range in {
			takes := Build(1, []*Route{r}).Match(req.host, req.path, req.header) != nil
			if takes && won == nil {
				t.Fatalf("%+v went nowhere, and %+v takes it", req, r.Match)
			}
			if takes && narrower(r.Match, won.Match) {
				t.Fatalf("%+v went to %+v, and %+v is narrower", req, won.Match, r.Match)
			}
		}
	})
}

// narrower reports whether every request of a is one of b, and not the other
// way round.
func narrower(a, b Match) bool { return within(a, b) && !within(b, a) }

func within(a, b Match) bool {
	return (b.Host == "" || a.Host == b.Host) &&
		underPrefix(trimmed(a.PathPrefix), b.PathPrefix) &&
		(b.Header == "" || a.Header == b.Header && (b.HeaderValue == "" || a.HeaderValue == b.HeaderValue))
}

func trimmed(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func TestBuildLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	in := []*Route{{Model: "b"}, {Model: "a", Match: Match{PathPrefix: "/p"}}}
	before := slices.Clone(in)
	built := Build(7, in)
	if !slices.Equal(in, before) {
		t.Error("the input was sorted in place")
	}
	if built.Generation != 7 || len(built.Routes) != 2 || built.Routes[0].Model != "a" {
		t.Errorf("built %+v", built)
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b Match
		want bool
	}{
		"the same match":                     {Match{PathPrefix: "/a"}, Match{PathPrefix: "/a"}, true},
		"two that take anything":             {Match{}, Match{}, true},
		"the root is anything":               {Match{}, Match{PathPrefix: "/"}, true},
		"a slash at the end":                 {Match{PathPrefix: "/a"}, Match{PathPrefix: "/a/"}, true},
		"hosts in another case":              {Match{Host: "A.example"}, Match{Host: "a.example"}, true},
		"one below the other is no conflict": {Match{PathPrefix: "/a"}, Match{PathPrefix: "/a/b"}, false},
		"another header value":               {Match{Header: "X", HeaderValue: "1"}, Match{Header: "X", HeaderValue: "2"}, false},
		"another host":                       {Match{Host: "a"}, Match{Host: "b"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := &Route{Model: "one", Match: tt.a}, &Route{Model: "two", Match: tt.b}
			a, b, found := Conflict([]*Route{one, {Model: "far", Match: Match{Host: "far.example"}}, two})
			if found != tt.want {
				t.Fatalf("found %v, want %v", found, tt.want)
			}
			if found && (a != one || b != two) {
				t.Errorf("found %s and %s", a.Model, b.Model)
			}
		})
	}
}

// Two routes conflict exactly when no request tells them apart.
func TestRoutesThatDoNotConflictCanBeToldApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, req := matches(t), matches(t), requests(t)
		_, _, found := Conflict([]*Route{{Match: a}, {Match: b}})
		if found && a.matches(req.host, req.path, req.header) != b.matches(req.host, req.path, req.header) {
			t.Fatalf("%+v and %+v are said to be the same, and differ on %+v", a, b, req)
		}
	})
}

func TestOnlyUnitsOfTheirOwnDoNotCluster(t *testing.T) {
	t.Parallel()
	for source, want := range map[UnitSource]bool{UnitRequest: false, UnitHeader: true, UnitCookie: true, UnitQuery: true} {
		if got := (Unit{Source: source}).Clustered(); got != want {
			t.Errorf("%s clusters: %v, want %v", source, got, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	var routes []*Route
	for i := range 20 {
		routes = append(routes, &Route{Model: string(rune('a' + i)), Match: Match{PathPrefix: "/v2/models/" + string(rune('a'+i))}})
	}
	table := Build(1, routes)
	b.ReportAllocs()
	for b.Loop() {
		if table.Match("h.example:8080", "/v2/models/t/infer", nil) == nil {
			b.Fatal("no match")
		}
	}
}
