package layering

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// emptyNames are package names that say nothing about what is inside.
var emptyNames = []string{
	"base", "common", "commons", "helper", "helpers", "manager", "managers", "misc", "shared", "type", "types",
	"util", "utils", "utility", "utilities",
}

func TestEveryPackageStatesItsPromise(t *testing.T) {
	t.Parallel()
	complain(t, undocumentedPackages(mustSources(t)))
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range mustSources(t) {
		if !s.isTest() && !s.generated() {
			complain(t, undocumentedNames(s))
		}
	}
}

func TestNoPackageHasANameThatSaysNothing(t *testing.T) {
	t.Parallel()
	for _, p := range mustListing(t) {
		complain(t, emptyPackageNames(p))
	}
}

func TestPackageDocChecks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  []string
	}{
		"a doc in one file is enough":    {files: map[string]string{"a/a.go": "// Package a splits.\npackage a", "a/b.go": "package a"}},
		"a program is a command":         {files: map[string]string{"cmd/x/main.go": "// Command x serves.\npackage main"}},
		"tests need no doc of their own": {files: map[string]string{"a/a.go": "// Package a splits.\npackage a", "a/a_test.go": "package a_test"}},
		"a package of tests has one too": {files: map[string]string{"a/a_test.go": "package a_test"}, want: []string{
			`a: no package doc: say what it is for, what it never does, and what happens when its neighbours fail, beginning "Package a "`,
		}},
		"a licence is no doc": {files: map[string]string{"a/a.go": "// Copyright somebody.\n\npackage a"}, want: []string{
			`a: no package doc: say what it is for, what it never does, and what happens when its neighbours fail, beginning "Package a "`,
		}},
		"two docs are one too many": {
			files: map[string]string{"a/a.go": "// Package a splits.\npackage a", "a/b.go": "// Package a also splits.\npackage a"},
			want:  []string{"a: 2 package docs, in a/a.go and a/b.go: go doc would show both"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []source
			for rel, code := range tt.files {
				all = append(all, snippet(t, rel, code))
			}
			slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.rel, b.rel) })
			if got := undocumentedPackages(all); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNameDocChecks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code string
		want []string
	}{
		"unexported names are free":           {code: "func f() {}; type t struct{}; func (t) Close() {}; var x, y = 1, 2"},
		"documented names pass":               {code: "// F does.\nfunc F() {}\n// T is.\ntype T struct{}\n// Close ends.\nfunc (t *T) Close() {}"},
		"a doc on a group covers it":          {code: "// The arms.\nconst (\nA = 1\nB = 2\n)"},
		"a remark beside a constant is a doc": {code: "const (\nA = 1 // A is one.\n)"},
		"a directive is no doc":               {code: "//go:noinline\nfunc F() {}", want: []string{"F"}},
		"a function":                          {code: "func F() {}", want: []string{"F"}},
		"a method of an exported type":        {code: "// T is.\ntype T[K any] struct{}\nfunc (t *T[K]) Get() {}", want: []string{"T.Get"}},
		"a type in a group without a doc":     {code: "type (\nT struct{}\n// U is.\nU struct{}\n)", want: []string{"T"}},
		"a variable":                          {code: "var a, B = 1, 2", want: []string{"B"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, n := range tt.want {
				want = append(want, n+" has no doc sentence")
			}
			var got []string
			for _, v := range undocumentedNames(snippet(t, "a/a.go", "package a\n"+tt.code)) {
				got = append(got, v[strings.Index(v, ": ")+2:])
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPackageNameChecks(t *testing.T) {
	t.Parallel()
	for rel, want := range map[string]int{"internal/split": 0, "internal/util/split": 1, "internal/Types": 1, "internal/basement": 0} {
		if got := emptyPackageNames(listed{ImportPath: module + rel, Name: "split"}); len(got) != want {
			t.Errorf("%s: got %v, want %d violations", rel, got, want)
		}
	}
	if got := emptyPackageNames(listed{ImportPath: module + "internal/split", Name: "helpers"}); len(got) != 1 {
		t.Errorf("package helpers in a good folder: got %v, want 1 violation", got)
	}
}

// undocumentedPackages names each folder whose files hold no package doc, or
// more than one.
func undocumentedPackages(all []source) []string {
	docs := map[string][]string{}
	var dirs []string
	opening := map[string]string{}
	for _, s := range all {
		dir := s.dir()
		if _, seen := docs[dir]; !seen {
			dirs = append(dirs, dir)
			docs[dir] = nil
		}
		name := strings.TrimSuffix(s.file.Name.Name, "_test")
		opening[dir] = "Package " + name + " "
		if name == "main" {
			opening[dir] = "Command "
		}
		if s.file.Doc != nil && strings.HasPrefix(s.file.Doc.Text(), opening[dir]) {
			docs[dir] = append(docs[dir], s.rel)
		}
	}
	var out []string
	for _, dir := range dirs {
		switch found := docs[dir]; {
		case len(found) == 0:
			out = append(out, fmt.Sprintf("%s: no package doc: say what it is for, what it never does, and what happens when its neighbours fail, beginning %q", dir, opening[dir]))
		case len(found) > 1:
			out = append(out, fmt.Sprintf("%s: %d package docs, in %s: go doc would show both", dir, len(found), strings.Join(found, " and ")))
		}
	}
	return out
}

// undocumentedNames names each exported name of a file that has no doc.
func undocumentedNames(s source) []string {
	var out []string
	add := func(pos token.Pos, name string) {
		out = append(out, fmt.Sprintf("%s: %s has no doc sentence", s.at(pos), name))
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if name, exported := funcName(d); exported && !says(d.Doc) {
				add(d.Pos(), name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, id := range specNames(spec) {
					if id.IsExported() && !specSays(d, spec) {
						add(id.Pos(), id.Name)
					}
				}
			}
		}
	}
	return out
}

// funcName is the name of a function, or of a method with its receiver, and
// whether users of the package can call it by that name.
func funcName(d *ast.FuncDecl) (string, bool) {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name, d.Name.IsExported()
	}
	recv := receiver(d.Recv.List[0].Type)
	return recv + "." + d.Name.Name, ast.IsExported(recv) && d.Name.IsExported()
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

func specNames(spec ast.Spec) []*ast.Ident {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return []*ast.Ident{spec.Name}
	case *ast.ValueSpec:
		return spec.Names
	}
	return nil
}

// specSays accepts a doc on the name itself or a remark beside it; a doc on
// a group covers constants and variables, which are read together, but not
// types.
func specSays(d *ast.GenDecl, spec ast.Spec) bool {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return says(spec.Doc) || says(spec.Comment) || !d.Lparen.IsValid() && says(d.Doc)
	case *ast.ValueSpec:
		return says(d.Doc) || says(spec.Doc) || says(spec.Comment)
	}
	return true
}

// says is whether a comment has words in it; Text leaves directives out.
func says(doc *ast.CommentGroup) bool { return doc != nil && strings.TrimSpace(doc.Text()) != "" }

func emptyPackageNames(p listed) []string {
	var out []string
	for _, part := range append(strings.Split(p.rel(), "/"), p.Name) {
		if slices.Contains(emptyNames, strings.ToLower(part)) {
			out = append(out, fmt.Sprintf("%s is named %q, which says nothing: use the noun for what is inside", p.rel(), part))
		}
	}
	return slices.Compact(out)
}
