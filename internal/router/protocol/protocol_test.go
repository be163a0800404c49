package protocol

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/table"
)

func TestTheUnitIsFoundWhereTheModelSays(t *testing.T) {
	t.Parallel()
	header := table.Unit{Source: table.UnitHeader, Name: "X-User-Id"}
	session := table.Unit{Source: table.UnitCookie, Name: "session"}
	user := table.Unit{Source: table.UnitQuery, Name: "user"}
	tests := map[string]struct {
		unit   table.Unit
		header http.Header
		query  string
		want   string
		found  bool
	}{
		"a header":                         {unit: header, header: http.Header{"X-User-Id": {"u1"}}, want: "u1", found: true},
		"the first of several":             {unit: header, header: http.Header{"X-User-Id": {"u1", "u2"}}, want: "u1", found: true},
		"a header that is missing":         {unit: header, header: http.Header{}},
		"a header that is empty":           {unit: header, header: http.Header{"X-User-Id": {""}}},
		"a cookie":                         {unit: session, header: http.Header{"Cookie": {"a=1; session=s1; b=2"}}, want: "s1", found: true},
		"a cookie in a second line":        {unit: session, header: http.Header{"Cookie": {"a=1", "session=s2"}}, want: "s2", found: true},
		"a cookie in quotes":               {unit: session, header: http.Header{"Cookie": {`session="s3"`}}, want: "s3", found: true},
		"a cookie with a longer name":      {unit: session, header: http.Header{"Cookie": {"mysession=1; session2=2"}}},
		"a cookie that is empty":           {unit: session, header: http.Header{"Cookie": {"session="}}},
		"no cookies":                       {unit: session, header: http.Header{}},
		"a parameter":                      {unit: user, query: "a=1&user=u1&b=2", want: "u1", found: true},
		"an encoded parameter":             {unit: user, query: "user=a%20b%2Bc", want: "a b+c", found: true},
		"an encoded name":                  {unit: user, query: "%75ser=u1", want: "u1", found: true},
		"a parameter with a longer name":   {unit: user, query: "users=1&myuser=2"},
		"a parameter that is empty":        {unit: user, query: "user="},
		"a parameter that cannot be read":  {unit: user, query: "user=%zz"},
		"no query":                         {unit: user},
		"every request a unit of its own":  {unit: table.Unit{Source: table.UnitRequest}, header: http.Header{"X-User-Id": {"u1"}}},
		"what is said in the body alone":   {unit: table.Unit{Source: table.UnitJSON, Name: "/user"}, query: "user=u1"},
		"a source that this does not know": {unit: table.Unit{Source: "body"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, found := attribute(tt.unit, tt.header, tt.query)
			if got != tt.want || found != tt.found {
				t.Errorf("unit %q, found %v; want %q, %v", got, found, tt.want, tt.found)
			}
		})
	}
}

func attribute(u table.Unit, header http.Header, query string) (string, bool) {
	a := NewAttribute(u)
	return a.Of(header, query, nil)
}

func TestUnitsAgreeWithNetHTTP(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "name")
		value := rapid.StringMatching(`[a-zA-Z0-9._-]{1,12}`).Draw(t, "value")
		req := &http.Request{Header: http.Header{}, URL: &url.URL{}}
		req.AddCookie(&http.Cookie{Name: "zz" + name, Value: "other"})
		req.AddCookie(&http.Cookie{Name: name, Value: value})
		if got, ok := attribute(table.Unit{Source: table.UnitCookie, Name: name}, req.Header, ""); !ok || got != value {
			t.Fatalf("cookie %q of %q is %q", name, req.Header, got)
		}
		any := rapid.String().Draw(t, "any")
		query := url.Values{"zz" + name: {"other"}, name: {any}}.Encode()
		got, ok := attribute(table.Unit{Source: table.UnitQuery, Name: name}, nil, query)
		if got != any || ok != (any != "") {
			t.Fatalf("parameter %q of %q is %q, want %q", name, query, got, any)
		}
	})
}

func TestOnlyAnInferenceIsCheckedAsOne(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		protocol     table.Protocol
		method, path string
		want         bool
	}{
		"an inference":              {table.V2, "POST", "/v2/models/m/infer", true},
		"of a version":              {table.V2, "POST", "/v2/models/m/versions/7/infer", true},
		"metadata":                  {table.V2, "GET", "/v2/models/m", false},
		"reading what is posted to": {table.V2, "GET", "/v2/models/m/infer", false},
		"another verb of the model": {table.V2, "POST", "/v2/models/m/generate", false},
		"plain HTTP":                {table.HTTP, "POST", "/v2/models/m/infer", false},
		"a path outside":            {table.V2, "POST", "/infer", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Infers(tt.protocol, tt.method, tt.path); got != tt.want {
				t.Errorf("%s %s over %s: %v, want %v", tt.method, tt.path, tt.protocol, got, tt.want)
			}
		})
	}
}

func TestWhatAProbeAsks(t *testing.T) {
	t.Parallel()
	want := Probe{Paths: []string{"/v2/health/ready", "/v2/models/a%2Fb/ready"}}
	if d := cmp.Diff(want, ProbeFor(table.V2, "a/b")); d != "" {
		t.Errorf("v2 (-want +got):\n%s", d)
	}
	want = Probe{Paths: []string{"/"}, AnyAnswer: true}
	if d := cmp.Diff(want, ProbeFor(table.HTTP, "m")); d != "" {
		t.Errorf("http (-want +got):\n%s", d)
	}
}

func TestFindingAUnitAllocatesNothing(t *testing.T) {
	header := http.Header{"Cookie": {"a=1; session=s1"}, "X-User-Id": {"u1"}}
	for _, u := range []table.Unit{
		{Source: table.UnitHeader, Name: "X-User-Id"}, {Source: table.UnitCookie, Name: "session"}, {Source: table.UnitQuery, Name: "user"},
	} {
		a := NewAttribute(u)
		if n := testing.AllocsPerRun(100, func() { a.Of(header, "a=1&user=u1", nil) }); n != 0 {
			t.Errorf("%s: %v allocations", u.Source, n)
		}
	}
}
