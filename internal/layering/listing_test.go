package layering

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the top of the module, seen from this package.
const root = "../.."

// A listed package is what `go list` says about one package of ours.
type listed struct {
	ImportPath, Name, Dir string
	Imports               []string
	TestImports           []string
	XTestImports          []string
}

// rel is the package's path relative to the module.
func (p listed) rel() string { return strings.TrimPrefix(p.ImportPath, module) }

// listing asks `go list` once for all tests. The integration tag brings in
// every file that the usual build leaves out; -e goes on past a package that
// does not compile, which is for the compiler to report.
var listing = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-e", "-tags=integration",
		"-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("list packages: %w", err)
	}
	return decodeListing(strings.NewReader(string(out)))
})

func decodeListing(r io.Reader) ([]listed, error) {
	var all []listed
	for dec := json.NewDecoder(r); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode go list: %w", err)
		}
		all = append(all, p)
	}
}

// A source is one parsed Go file of ours.
type source struct {
	// rel is its path from the module's top, with slashes.
	rel  string
	fset *token.FileSet
	file *ast.File
}

func (s source) dir() string     { return slashDir(s.rel) }
func (s source) isTest() bool    { return strings.HasSuffix(s.rel, "_test.go") }
func (s source) generated() bool { return ast.IsGenerated(s.file) }

func (s source) at(pos token.Pos) string {
	p := s.fset.Position(pos)
	return fmt.Sprintf("%s:%d:%d", s.rel, p.Line, p.Column)
}

// sources parses every Go file of the module once for all tests. It also
// makes a cached test result depend on each of them, which the output of a
// child process would not.
var sources = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && skipped(path, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(d.Name(), ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		src, err := parseSource(filepath.ToSlash(rel), path, nil)
		if err != nil {
			return err
		}
		all = append(all, src)
		return nil
	})
	return all, err
})

// skipped names the folders that hold no package of this module.
func skipped(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
		return true
	}
	nested, err := filepath.Glob(filepath.Join(path, "go.mod"))
	return err == nil && len(nested) > 0
}

// parseSource reads path, or code where it is given, and calls it rel.
func parseSource(rel, path string, code any) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, code, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, fmt.Errorf("parse %s: %w", rel, err)
	}
	return source{rel: rel, fset: fset, file: file}, nil
}

func mustSources(t *testing.T) []source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustListing(t *testing.T) []listed {
	t.Helper()
	// Reading the sources first ties the cached result to them.
	mustSources(t)
	all, err := listing()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// snippet parses code as the file rel, for the tests of the checks themselves.
func snippet(t *testing.T, rel, code string) source {
	t.Helper()
	src, err := parseSource(rel, rel, code)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func slashDir(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// complain reports each violation as an error of its own.
func complain(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}
