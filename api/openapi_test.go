package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type document map[string]any

func load(t *testing.T) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal(Document, &d); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return d
}

// walk calls visit for every mapping below v with its path.
func walk(path string, v any, visit func(path string, m map[string]any)) {
	switch v := v.(type) {
	case document:
		walk(path, map[string]any(v), visit)
	case map[string]any:
		visit(path, v)
		for k, below := range v {
			walk(path+"/"+k, below, visit)
		}
	case []any:
		for i, below := range v {
			walk(fmt.Sprintf("%s/%d", path, i), below, visit)
		}
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	d := load(t)
	known := map[string]bool{}
	walk("#", d, func(path string, _ map[string]any) { known[path] = true })
	walk("#", d, func(path string, m map[string]any) {
		if ref, ok := m["$ref"].(string); ok && !known[ref] {
			t.Errorf("%s refers to %s, which is not there", path, ref)
		}
	})
}

func TestEverySchemaSaysWhatItIs(t *testing.T) {
	t.Parallel()
	schemas := load(t)["components"].(map[string]any)["schemas"].(map[string]any)
	for name, s := range schemas {
		schema := s.(map[string]any)
		if text, _ := schema["description"].(string); text == "" {
			t.Errorf("schema %s has no description", name)
		}
		properties, _ := schema["properties"].(map[string]any)
		for field, p := range properties {
			property := p.(map[string]any)
			_, refers := property["$ref"]
			if text, _ := property["description"].(string); text == "" && !refers {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}

// Counts and places in lists are plain integers; whatever is measured has a unit.
func TestEveryMeasuredNumberSaysItsUnit(t *testing.T) {
	t.Parallel()
	units := []string{
		"second", "millisecond", "percent", "fraction", "rate", "logarithm", "threshold",
		"request", "event", "0 or 1", "bad event", "in the unit of the output",
	}
	walk("#", load(t)["components"], func(path string, m map[string]any) {
		if m["type"] != "number" || strings.Contains(path, "/items") {
			return
		}
		text, _ := m["description"].(string)
		text = strings.ToLower(text)
		if !slices.ContainsFunc(units, func(u string) bool { return strings.Contains(text, u) }) {
			t.Errorf("%s: %q names no unit", path, text)
		}
	})
}

func TestEveryOperationAnswersProblemsTheSameWay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for path, item := range load(t)["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			operation := op.(map[string]any)
			id, _ := operation["operationId"].(string)
			if id == "" || seen[id] {
				t.Errorf("%s %s: operation id %q is missing or used twice", method, path, id)
			}
			seen[id] = true
			if !strings.HasPrefix(path, "/api/") {
				continue
			}
			if _, ok := operation["responses"].(map[string]any)["default"]; !ok {
				t.Errorf("%s %s: no default answer for problems", method, path)
			}
			if method != "post" {
				continue
			}
			if !takes(operation, "#/components/parameters/IdempotencyKey") {
				t.Errorf("%s %s: a change takes no Idempotency-Key", method, path)
			}
		}
	}
}

func takes(operation map[string]any, ref string) bool {
	parameters, _ := operation["parameters"].([]any)
	return slices.ContainsFunc(parameters, func(p any) bool { return p.(map[string]any)["$ref"] == ref })
}
