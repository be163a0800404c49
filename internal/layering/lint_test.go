package layering

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the arrows into .golangci.yml")

const (
	arrowsBegin = "        # arrows: begin (written by `make generate` from internal/layering; edit the table there)\n"
	arrowsEnd   = "        # arrows: end\n"
)

// The editor shows what the linter says, so the linter repeats the table.
func TestTheLinterRepeatsTheTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, ".golangci.yml")
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := withArrows(string(have), rooms)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(have), want); diff != "" {
		t.Errorf(".golangci.yml does not repeat the table of rooms; run `make generate` (-have +want):\n%s", diff)
	}
}

func TestArrowsForTheLinterAreValidYAML(t *testing.T) {
	t.Parallel()
	text, err := withArrows("rules:\n"+arrowsBegin+"old\n"+arrowsEnd+"after: 1\n", rooms)
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		ListMode string   `yaml:"list-mode"`
		Files    []string `yaml:"files"`
		Allow    []string `yaml:"allow"`
		Deny     []struct{ Pkg, Desc string }
	}
	var got struct {
		Rules map[string]rule `yaml:"rules"`
		After int             `yaml:"after"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if got.After != 1 {
		t.Error("what follows the arrows was lost")
	}
	core := got.Rules["internal-core"]
	want := rule{
		ListMode: "strict",
		Files:    []string{"**/internal/core/**", "!**/internal/core/spec/**", "!$test"},
		Allow:    []string{"$gostd", module + "internal/core", module + "internal/problem", "github.com/zeebo/xxh3", "gonum.org/v1/gonum"},
	}
	want.Deny = append(want.Deny, struct{ Pkg, Desc string }{strings.TrimSuffix(module, "/"), "pure: every stored decision is recomputed from its inputs, on any machine, at any time"})
	if diff := cmp.Diff(want, core); diff != "" {
		t.Errorf("rule for the core (-want +got):\n%s", diff)
	}
	if _, ok := got.Rules["test"]; ok {
		t.Error("a room that may import anything has a rule; it needs none")
	}
}

func TestArrowsNeedTheirPlace(t *testing.T) {
	t.Parallel()
	if _, err := withArrows("rules:\n", rooms); err == nil {
		t.Error("a configuration without the markers: got no error")
	}
}

// withArrows puts the table between the markers of a linter configuration.
func withArrows(config string, table []room) (string, error) {
	head, rest, ok := strings.Cut(config, arrowsBegin)
	if !ok {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(arrowsBegin))
	}
	_, tail, ok := strings.Cut(rest, arrowsEnd)
	if !ok {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(arrowsEnd))
	}
	var b strings.Builder
	for _, r := range table {
		if !withinAny(module, r.may) {
			writeRule(&b, table, r)
		}
	}
	return head + arrowsBegin + b.String() + arrowsEnd + tail, nil
}

// writeRule writes one room as a depguard rule. A room with a list of third
// parties is strict, so that everything else is refused; the others refuse
// only packages of ours that they may not import.
func writeRule(b *strings.Builder, table []room, r room) {
	mode := "lax"
	allow := []string{module + r.path}
	for _, m := range r.may {
		if m = module + m; !within(module+r.path, m) {
			allow = append(allow, m)
		} else {
			allow[0] = m
		}
	}
	if r.vendors != nil {
		mode = "strict"
		allow = append([]string{"$gostd"}, append(allow, r.vendors...)...)
	}
	fmt.Fprintf(b, "        %s:\n          list-mode: %s\n          files:\n", strings.ReplaceAll(r.path, "/", "-"), mode)
	files := []string{"**/" + r.path + "/**"}
	for _, inner := range table {
		if inner.path != r.path && within(inner.path, r.path) {
			files = append(files, "!**/"+inner.path+"/**")
		}
	}
	for _, f := range append(files, "!$test") {
		fmt.Fprintf(b, "            - %q\n", f)
	}
	b.WriteString("          allow:\n")
	for _, a := range allow {
		fmt.Fprintf(b, "            - %q\n", a)
	}
	fmt.Fprintf(b, "          deny:\n            - pkg: %q\n              desc: %q\n", strings.TrimSuffix(module, "/"), r.why)
}
