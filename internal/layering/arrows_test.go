package layering

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryArrowIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range mustListing(t) {
		complain(t, strayArrows(rooms, p))
	}
}

func TestThirdPartiesStayWhereTheyWereLetIn(t *testing.T) {
	t.Parallel()
	for _, p := range mustListing(t) {
		complain(t, strayVendors(rooms, confinements, p))
	}
}

// The table could be widened by mistake; this arrow has a test of its own.
func TestOnlyAppNamesAdapters(t *testing.T) {
	t.Parallel()
	allowed := []string{"internal/app", "internal/adapter", "test", "bench"}
	for _, p := range mustListing(t) {
		for _, imp := range p.Imports {
			rel, ours := strings.CutPrefix(imp, module)
			if ours && within(rel, "internal/adapter") && !withinAny(p.rel(), allowed) {
				t.Errorf("%s imports %s: only internal/app names adapters", p.rel(), rel)
			}
		}
	}
}

func TestTheProductDoesNotLinkItsTestSuites(t *testing.T) {
	t.Parallel()
	for _, p := range mustListing(t) {
		complain(t, linkedSuites(p))
	}
}

// The rest of the command line has to work against a server far away.
func TestTheCommandLineStartsAServerOnlyToServeOrToDemonstrate(t *testing.T) {
	t.Parallel()
	for _, s := range mustSources(t) {
		complain(t, strayStarts(s))
	}
}

func TestEveryRowOfTheTableSaysWhy(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rooms {
		if r.why == "" {
			t.Errorf("room %s gives no reason", r.path)
		}
		if seen[r.path] {
			t.Errorf("room %s has two rows", r.path)
		}
		seen[r.path] = true
	}
}

func TestArrowChecks(t *testing.T) {
	t.Parallel()
	table := []room{
		{path: "core", why: "pure"},
		{path: "core/spec", may: []string{"core"}, vendors: []string{"example.org/yaml"}},
		{path: "engine", may: []string{"core", "port"}, tests: []string{"adapter"}},
		{path: "port", may: []string{"core"}, vendors: []string{}},
		{path: "test", may: []string{anything}},
	}
	confined := []confinement{{"example.org/sql", []string{"adapter"}, "one database"}}
	check := func(p listed) []string {
		p.ImportPath = module + p.ImportPath
		return append(strayArrows(table, p), strayVendors(table, confined, p)...)
	}
	tests := map[string]struct {
		in   listed
		want []string
	}{
		"an arrow in the table passes": {in: listed{ImportPath: "engine", Imports: []string{module + "core/spec"}}},
		"a room may import itself":     {in: listed{ImportPath: "core/split", Imports: []string{module + "core/table"}}},
		"the standard library passes":  {in: listed{ImportPath: "port", Imports: []string{"net/http", "go/ast"}}},
		"a test may import more":       {in: listed{ImportPath: "engine", TestImports: []string{module + "adapter/sqlite"}}},
		"a test of the whole may import all": {
			in: listed{ImportPath: "test/e2e", Imports: []string{module + "engine"}},
		},
		"a test may use the libraries of tests": {
			in: listed{ImportPath: "port", XTestImports: []string{"pgregory.net/rapid", "github.com/google/go-cmp/cmp"}},
		},
		"an arrow that points up is named with the rule": {
			in:   listed{ImportPath: "core", Imports: []string{module + "engine"}},
			want: []string{"core imports engine: core may import only itself; pure"},
		},
		"an arrow only for tests fails in the product": {
			in:   listed{ImportPath: "engine", Imports: []string{module + "adapter/sqlite"}},
			want: []string{"engine imports adapter/sqlite: engine may import only core, port and itself"},
		},
		"the longest room decides": {
			in:   listed{ImportPath: "core/spec", Imports: []string{module + "port"}},
			want: []string{"core/spec imports port: core/spec may import only core and itself"},
		},
		"a package without a room needs one": {
			in:   listed{ImportPath: "stray"},
			want: []string{"stray has no row in the table of rooms: add one with its reason, and write an ADR"},
		},
		"a prefix is not a folder": {
			in:   listed{ImportPath: "ports"},
			want: []string{"ports has no row in the table of rooms: add one with its reason, and write an ADR"},
		},
		"a third party that is not on the list fails": {
			in:   listed{ImportPath: "port", Imports: []string{"example.org/yaml/v2"}},
			want: []string{"port imports example.org/yaml/v2: port may import no third party"},
		},
		"a confined third party fails elsewhere, in tests too": {
			in:   listed{ImportPath: "engine", TestImports: []string{"example.org/sql/driver"}},
			want: []string{"engine imports example.org/sql/driver: it stays in adapter; one database"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, check(tt.in)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSuiteAndStartChecks(t *testing.T) {
	t.Parallel()
	suite := listed{ImportPath: module + "internal/app", Imports: []string{module + "internal/store/storetest", "net/http/httptest"}}
	if got := linkedSuites(suite); len(got) != 1 {
		t.Errorf("an app that links storetest: got %d violations, want 1: %v", len(got), got)
	}
	suite.ImportPath = module + "internal/store/storetest"
	if got := linkedSuites(suite); len(got) != 0 {
		t.Errorf("a suite that uses a suite: got %v, want none", got)
	}
	code := "package cli\nimport \"" + module + "internal/app\"\nvar _ = app.New\n"
	for file, want := range map[string]int{
		"internal/cli/serve.go": 0, "internal/cli/demo_run.go": 0, "internal/cli/status_test.go": 0,
		"internal/cli/status.go": 1, "internal/cli/demonstrate.go": 1, "internal/app/wire.go": 0,
	} {
		if got := strayStarts(snippet(t, file, code)); len(got) != want {
			t.Errorf("%s imports app: got %d violations, want %d: %v", file, len(got), want, got)
		}
	}
}

// strayArrows names each import of ours that the table does not allow.
func strayArrows(table []room, p listed) []string {
	from, ok := roomOf(table, p.rel())
	if !ok {
		return []string{p.rel() + " has no row in the table of rooms: add one with its reason, and write an ADR"}
	}
	allowed := append([]string{from.path}, from.may...)
	bad := outside(p.Imports, allowed)
	for _, rel := range outside(testImports(p), append(allowed, from.tests...)) {
		if !slices.Contains(bad, rel) {
			bad = append(bad, rel)
		}
	}
	var out []string
	for _, rel := range bad {
		out = append(out, fmt.Sprintf("%s imports %s: %s", p.rel(), rel, from.rule()))
	}
	return out
}

// strayVendors names each third-party import that the room or a confinement refuses.
func strayVendors(table []room, confined []confinement, p listed) []string {
	from, _ := roomOf(table, p.rel())
	var out []string
	for _, imp := range vendored(append(slices.Clone(p.Imports), testImports(p)...)) {
		allowed := from.vendors
		if !slices.Contains(p.Imports, imp) {
			allowed = append(slices.Clone(allowed), vendorTests...)
		}
		if from.vendors != nil && !withinAny(imp, allowed) {
			out = append(out, fmt.Sprintf("%s imports %s: %s", p.rel(), imp, from.vendorRule()))
		}
		for _, c := range confined {
			if within(imp, c.vendor) && !withinAny(p.rel(), c.rooms) {
				out = append(out, fmt.Sprintf("%s imports %s: it stays in %s; %s", p.rel(), imp, strings.Join(c.rooms, ", "), c.why))
			}
		}
	}
	return out
}

// linkedSuites names conformance suites and fakes that a package links
// although it is no test; such packages have names that end in "test".
func linkedSuites(p listed) []string {
	isSuite := func(rel string) bool {
		return within(rel, "test") || strings.HasSuffix(path.Base(rel), "test")
	}
	if isSuite(p.rel()) || within(p.rel(), "bench") {
		return nil
	}
	var out []string
	for _, imp := range p.Imports {
		if rel, ours := strings.CutPrefix(imp, module); ours && isSuite(rel) {
			out = append(out, fmt.Sprintf("%s links %s: suites and fakes belong to tests", p.rel(), rel))
		}
	}
	return out
}

// strayStarts names imports of app or demo in files of the command line that
// are not about `serve` or `demo`.
func strayStarts(s source) []string {
	base := path.Base(s.rel)
	verb, _, _ := strings.Cut(strings.TrimSuffix(base, ".go"), "_")
	if !within(s.dir(), "internal/cli") || s.isTest() || verb == "serve" || verb == "demo" {
		return nil
	}
	var out []string
	for _, spec := range s.file.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		if rel, ours := strings.CutPrefix(imp, module); ours && withinAny(rel, []string{"internal/app", "internal/demo"}) {
			out = append(out, fmt.Sprintf("%s: imports %s: only serve*.go and demo*.go start a server, everything else goes through the client", s.at(spec.Pos()), rel))
		}
	}
	return out
}

func testImports(p listed) []string { return append(slices.Clone(p.TestImports), p.XTestImports...) }

// outside returns the imports of ours, relative, that no allowed prefix covers.
func outside(imports, allowed []string) []string {
	var out []string
	for _, imp := range imports {
		rel, ours := strings.CutPrefix(imp, module)
		if ours && !withinAny(rel, allowed) && !slices.Contains(out, rel) {
			out = append(out, rel)
		}
	}
	return out
}

// vendored returns the imports that are neither ours nor of the standard
// library, whose paths have no dot in their first element.
func vendored(imports []string) []string {
	var out []string
	for _, imp := range imports {
		first, _, _ := strings.Cut(imp, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(imp, module) && !slices.Contains(out, imp) {
			out = append(out, imp)
		}
	}
	return out
}

// rule says in words what the room may import of ours.
func (r room) rule() string {
	text := r.path + " may import only itself"
	if len(r.may) > 0 {
		text = r.path + " may import only " + strings.Join(r.may, ", ") + " and itself"
	}
	return text + reason(r.why)
}

// vendorRule says in words which third parties the room may import.
func (r room) vendorRule() string {
	if len(r.vendors) == 0 {
		return r.path + " may import no third party" + reason(r.why)
	}
	return r.path + " may import of third parties only " + strings.Join(r.vendors, ", ") + reason(r.why)
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return "; " + why
}
