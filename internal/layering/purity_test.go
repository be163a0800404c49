package layering

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// impureImports are the doors to the outside that the core keeps shut.
var impureImports = map[string]string{
	"context":     "the core is called, computes and returns",
	"crypto/rand": "chance is an argument",
	"flag":        "settings are arguments",
	"io/fs":       "files are read by the caller",
	"log":         "the core returns reasons, the caller logs them",
	"log/slog":    "the core returns reasons, the caller logs them",
	"math/rand":   "chance is an argument: take a *rand.Rand of math/rand/v2",
	"net":         "the core talks to nobody",
	"os":          "no files, no environment",
	"runtime":     "the answer is the same on every machine",
	"syscall":     "no files, no environment",
	"testing":     "tests are in files of their own",
	"unsafe":      "an answer that can be recomputed depends on no memory layout",
}

// ajar are the packages behind a shut door that hold values worth having, each
// with the names that touch nothing outside; nil means all of them.
var ajar = map[string][]string{
	"math/rand/v2": {"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"},
	"net/http":     {"CanonicalHeaderKey", "Cookie", "Header", "ParseCookie"},
	"net/netip":    nil,
	"net/url":      nil,
}

// impureNames are names of allowed packages that reach outside all the same.
var impureNames = map[string]map[string]string{
	"time": {
		"Now": clock, "Since": clock, "Until": clock, "Sleep": clock, "After": clock, "AfterFunc": clock,
		"Tick": clock, "NewTicker": clock, "NewTimer": clock,
		"Local": "the time zone of the machine is no input", "LoadLocation": "reads files and the environment",
	},
	"fmt": {
		"Print": output, "Printf": output, "Println": output,
		"Scan": input, "Scanf": input, "Scanln": input,
	},
	"sync": {"WaitGroup": "the core starts no goroutine, so it waits for none"},
}

const (
	clock  = "time is an argument"
	output = "the core returns what it has to say"
	input  = "input is an argument"
)

// A stored decision is recomputed from its inputs, so nothing but the inputs
// may have a say in it.
func TestTheCoreIsPure(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, s := range mustSources(t) {
		if within(s.dir(), "internal/core") && !s.isTest() {
			seen++
			complain(t, impurities(s))
		}
	}
	if seen == 0 {
		t.Error("found no source of the core: has internal/core moved?")
	}
}

func TestPurityChecks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code string
		want string // part of the one violation, empty for none
	}{
		"time as a value is pure":          {code: `import "time"; func f(now time.Time) time.Time { return now.Add(time.Second) }`},
		"a seeded generator is pure":       {code: `import "math/rand/v2"; func f() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }`},
		"a method called Now is not time":  {code: `type c struct{}; func (c) Now() int { return 1 }; var x = c{}.Now()`},
		"the clock":                        {code: `import "time"; var x = time.Now()`, want: "time.Now: time is an argument"},
		"the clock under another name":     {code: `import tm "time"; var x = tm.Now()`, want: "time.Now: time is an argument"},
		"the clock as a value":             {code: `import "time"; var now = time.Now`, want: "time.Now: time is an argument"},
		"everything of time without a dot": {code: `import . "time"; var x = Now()`, want: `imports "time" with a dot`},
		"a timer":                          {code: `import "time"; var x = time.NewTimer(1)`, want: "time.NewTimer"},
		"the environment":                  {code: `import "os"; var x = os.Getenv("X")`, want: `imports "os"`},
		"a child package of a shut door":   {code: `import "os/exec"; var x = exec.Command`, want: `imports "os/exec"`},
		"the network":                      {code: `import "net/http"; var x = http.Get`, want: "http.Get: the core talks to nobody"},
		"a header as a value is pure":      {code: `import "net/http"; func f(h http.Header) string { return h.Get("X") }`},
		"an address as a value is pure":    {code: `import "net/url"; var x = url.Parse`},
		"a socket":                         {code: `import "net"; var x = net.Dial`, want: `imports "net"`},
		"global chance":                    {code: `import "math/rand/v2"; var x = rand.IntN(3)`, want: "rand.IntN: chance is an argument"},
		"the old global chance":            {code: `import "math/rand"; var x = rand.New`, want: `imports "math/rand"`},
		"a goroutine":                      {code: `func f() { go f() }`, want: "starts a goroutine"},
		"a channel":                        {code: `var c chan int`, want: "uses a channel"},
		"printing":                         {code: `import "fmt"; func f() { fmt.Println(1) }`, want: "fmt.Println"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := impurities(snippet(t, "internal/core/x/x.go", "package x; "+tt.code))
			if tt.want == "" {
				if len(got) != 0 {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %v, want one that contains %q", got, tt.want)
			}
		})
	}
}

// impurities names everything in a file that reaches past its arguments.
func impurities(s source) []string {
	var out []string
	add := func(n ast.Node, format string, args ...any) {
		out = append(out, s.at(n.Pos())+": "+fmt.Sprintf(format, args...))
	}
	names := map[string]string{}
	for _, spec := range s.file.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		if why, shut := shutDoor(imp); shut {
			add(spec, "imports %q: %s", imp, why)
			continue
		}
		name := importedAs(spec, imp)
		if name == "." {
			add(spec, "imports %q with a dot, which hides what it uses", imp)
		}
		names[name] = imp
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine: the core computes and returns")
		case *ast.ChanType:
			add(n, "uses a channel: the core computes and returns")
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			if why := impureName(names[x.Name], n.Sel.Name); why != "" {
				add(n, "%s.%s: %s", path.Base(strings.TrimSuffix(names[x.Name], "/v2")), n.Sel.Name, why)
			}
		}
		return true
	})
	return out
}

// shutDoor finds the reason why an import is closed to the core.
func shutDoor(imp string) (string, bool) {
	if _, open := ajar[imp]; open {
		return "", false
	}
	return doorOf(imp)
}

// doorOf finds the shut door that an import lies behind.
func doorOf(imp string) (why string, found bool) {
	for door, why := range impureImports {
		if within(imp, door) {
			return why, true
		}
	}
	return "", false
}

func impureName(imp, name string) string {
	if pure := ajar[imp]; pure != nil && !slices.Contains(pure, name) {
		why, _ := doorOf(imp)
		return why
	}
	return impureNames[imp][name]
}

// importedAs is the name by which a file calls an import.
func importedAs(spec *ast.ImportSpec, imp string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(strings.TrimSuffix(imp, "/v2"))
}
