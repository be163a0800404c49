package layering

import "strings"

// module is the path that every package of ours begins with.
const module = "github.com/belay-rollouts/belay/"

// anything, in a room's list, allows every package of ours.
const anything = "*"

// A room is a part of the tree with rules of its own. Paths are relative to
// the module and stand for themselves and everything below them; the room
// with the longest path wins.
type room struct {
	path string
	// may lists the packages of ours that the room imports, apart from itself.
	may []string
	// tests lists what its tests import in addition. A real database in a
	// test proves more than a stand-in, so engine and surfaces may have one.
	tests []string
	// vendors lists the third-party packages that the room imports; nil leaves
	// the choice to review, and an empty list allows none.
	vendors []string
	// why says what the row protects.
	why string
}

// rooms is the one table of arrows; docs/architecture.md draws it.
var rooms = []room{
	{
		path: "cmd/belay",
		may:  []string{"internal/cli"},
		why:  "argv in, exit status out: everything that can be tested lives below",
	},
	{
		path: "internal/cli",
		may:  []string{"client", "internal/app", "internal/check", "internal/config", "internal/core/planner", "internal/core/spec", "internal/demo", "internal/problem", "internal/simulate"},
		tests: []string{
			"internal/adapter", "internal/core", "internal/store", "test/fakemodel",
		},
		why: "talks to a server only through the client, as any other user would; app and demo only where one is started, spec to check files offline, planner and simulate to say beforehand what they will do",
	},
	{
		path:  "internal/demo",
		may:   []string{"client", "internal/app", "internal/config", "internal/core", "internal/problem"},
		tests: []string{"test/fakemodel"},
		why:   "the demo is a user of the product: it starts the app from its settings, then speaks the public API; nothing is arranged behind the scenes",
	},
	{
		path: "internal/check",
		may:  []string{"internal/core", "internal/problem"},
		why:  "judges files of observations by the core alone: the same gates and tests as a rollout, with no server, store or clock",
	},
	{
		path: "internal/simulate",
		may:  []string{"internal/core", "internal/problem"},
		why:  "plays rollouts through the core alone: what it says of a plan is what the core decides, with no server, store or clock between",
	},
	{
		path: "internal/app",
		may: []string{
			"api", "internal/adapter", "internal/command", "internal/config", "internal/controller", "internal/core",
			"internal/httpapi", "internal/judge", "internal/ledger", "internal/metric", "internal/problem", "internal/router",
			"internal/sampler", "internal/store", "internal/traffic",
		},
		tests: []string{"client", "test/fakemodel"},
		why:   "the one place that knows every part, and so the only one that names adapters",
	},
	{
		path:  "internal/httpapi",
		may:   []string{"api", "internal/command", "internal/core", "internal/ledger", "internal/problem", "internal/store", "internal/traffic"},
		tests: []string{"internal/adapter", "internal/controller", "internal/judge", "internal/router", "client"},
		why:   "a surface: it changes things through command, reads ports and ledger, and holds no rules of its own",
	},
	{
		path:  "internal/command",
		may:   engineMay("internal/controller", "internal/judge", "internal/ledger"),
		tests: []string{"internal/adapter"},
		why:   engineWhy,
	},
	{
		path:  "internal/controller",
		may:   engineMay("internal/command", "internal/judge", "internal/ledger", "internal/sampler"),
		tests: []string{"internal/adapter"},
		why:   engineWhy,
	},
	{
		path:  "internal/judge",
		may:   engineMay("internal/command", "internal/controller", "internal/ledger"),
		tests: []string{"internal/adapter"},
		why:   engineWhy,
	},
	{
		path:  "internal/ledger",
		may:   engineMay("internal/command", "internal/controller", "internal/judge"),
		tests: []string{"internal/adapter"},
		why:   engineWhy,
	},
	{
		path:  "internal/sampler",
		may:   []string{"internal/core", "internal/metric", "internal/problem"},
		tests: []string{"internal/adapter"},
		why:   "it reads servers and hands windows on; it knows neither the loop that starts it nor what becomes of them",
	},
	{
		path: "internal/adapter/sqlite",
		may:  []string{"internal/core", "internal/problem", "internal/store"},
		why:  "one third party behind one port; adapters never import each other",
	},
	{
		path: "internal/adapter/scrape",
		may:  []string{"internal/core", "internal/metric", "internal/problem"},
		why:  "one third party behind one port; adapters never import each other",
	},
	{
		path:  "internal/adapter/embedded",
		may:   []string{"internal/core", "internal/problem", "internal/router", "internal/traffic"},
		tests: []string{"test/fakemodel"},
		why:   "joins the router of this process to the traffic port, so that neither knows the other",
	},
	{
		path:  "internal/router",
		may:   []string{"internal/core/assignment", "internal/core/evidence", "internal/core/split", "internal/core/table", "internal/problem"},
		tests: []string{"test/fakemodel"},
		why:   "serves from the last good table alone: what it does not import cannot take it down",
	},
	{
		path: "internal/store",
		may:  []string{"internal/core", "internal/problem"},
		why:  "a port is written in the words of the core; what is behind it stays unknown",
	},
	{
		path: "internal/metric",
		may:  []string{"internal/core", "internal/problem"},
		why:  "a port is written in the words of the core; what is behind it stays unknown",
	},
	{
		path: "internal/traffic",
		may:  []string{"internal/core", "internal/problem"},
		why:  "a port is written in the words of the core; what is behind it stays unknown",
	},
	{
		path:    "internal/core/spec",
		may:     []string{"internal/core", "internal/problem"},
		vendors: []string{"github.com/goccy/go-yaml", "github.com/zeebo/xxh3", "gonum.org/v1/gonum"},
		why:     "the only part of the core that reads YAML, because a mistake is told with its line and column",
	},
	{
		path:    "internal/core",
		may:     []string{"internal/problem"},
		vendors: []string{"github.com/zeebo/xxh3", "gonum.org/v1/gonum"},
		why:     "pure: every stored decision is recomputed from its inputs, on any machine, at any time",
	},
	{
		path: "internal/config",
		may:  []string{"internal/problem"},
		why:  "reads flags, environment and file into one struct; nobody else reads them",
	},
	{
		path:    "internal/problem",
		vendors: []string{},
		why:     "the base that all layers share rests on nothing",
	},
	{
		path:    "client",
		may:     []string{"api"},
		vendors: []string{"github.com/oapi-codegen/runtime"},
		why:     "users import it: it brings them no part of the server (ADR 0004)",
	},
	{
		path: "api",
		why:  "the contract stands alone",
	},
	{
		path: "internal/layering",
		why:  "looks at everything and is part of nothing",
	},
	{
		path: "test",
		may:  []string{anything},
		why:  "tests of the whole start the whole",
	},
	{
		path: "bench",
		may:  []string{anything},
		why:  "a benchmark measures the part it names, wherever that is",
	},
	{
		path:  "examples/check",
		tests: []string{"internal/demo"},
		why:   "its data are the answers of the demo's model, and the test that makes them shows that they are not made up",
	},
	{
		path: "examples",
		may:  []string{"client"},
		why:  "an example does what a user can do",
	},
}

const engineWhy = "engine and adapters meet only at ports: the loop runs unchanged over any store and any data plane"

// engineMay lists what a room of the engine imports: the ports, the core, and
// the other rooms of the engine that are given.
func engineMay(others ...string) []string {
	return append([]string{"internal/core", "internal/metric", "internal/problem", "internal/store", "internal/traffic"}, others...)
}

// vendorTests are the third-party packages that any test may use.
var vendorTests = []string{
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"pgregory.net/rapid",
}

// A confinement keeps a third party behind the rooms that were made for it.
type confinement struct {
	vendor string
	rooms  []string
	why    string
}

var confinements = []confinement{
	{"modernc.org/sqlite", []string{"internal/adapter/sqlite", "test", "bench"}, "the database is one adapter among several"},
	{"github.com/pressly/goose", []string{"internal/adapter/sqlite", "test", "bench"}, "migrations belong to the database they change"},
	{"github.com/spf13/cobra", []string{"internal/cli"}, "the command line is a surface"},
	{"charm.land", []string{"internal/cli"}, "the terminal is a surface"},
	{"github.com/prometheus/common", []string{"internal/adapter/scrape"}, "the parser of metrics pages belongs to who reads them"},
	{"github.com/oapi-codegen", []string{"api", "client", "internal/httpapi"}, "generated types stay at the edge"},
}

// roomOf finds the row for a package, given relative to the module.
func roomOf(table []room, rel string) (room, bool) {
	var best room
	found := false
	for _, r := range table {
		if within(rel, r.path) && (!found || len(r.path) > len(best.path)) {
			best, found = r, true
		}
	}
	return best, found
}

// within says whether path is prefix or lies below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// withinAny says whether path lies within one of the prefixes.
func withinAny(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if p == anything || within(path, p) {
			return true
		}
	}
	return false
}
