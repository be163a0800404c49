package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
)

// shapes returns all shapes that documents can hold, by walking the table.
func shapes() map[string]*field.Shape {
	found := map[string]*field.Shape{}
	var walk func(path string, s *field.Shape)
	walk = func(path string, s *field.Shape) {
		found[path] = s
		for _, f := range s.Fields {
			if inner := f.Shape(); inner != nil {
				walk(path+"."+f.Name, inner)
			}
		}
	}
	for _, s := range []*field.Shape{modelDocument, policyDocument, rolloutDocument} {
		walk(s.Name, s)
	}
	return found
}

func TestEveryRowOfTheTableIsExplained(t *testing.T) {
	t.Parallel()
	all := shapes()
	if len(all) < 40 {
		t.Fatalf("only %d shapes found", len(all))
	}
	for path, s := range all {
		if s.Doc == "" {
			t.Errorf("%s has no doc", path)
		}
		for _, f := range s.Fields {
			switch {
			case f.Doc == "" || !strings.HasSuffix(f.Doc, "."):
				t.Errorf("%s.%s: the doc is no sentence: %q", path, f.Name, f.Doc)
			case f.Default != "" && f.Computed != "":
				t.Errorf("%s.%s has two defaults", path, f.Name)
			case f.Example == "" && f.Shape() == nil:
				t.Errorf("%s.%s has no example", path, f.Name)
			}
		}
	}
}

// TestTheTableReadsItsOwnDefaultsAndExamples decodes each of them by its row.
func TestTheTableReadsItsOwnDefaultsAndExamples(t *testing.T) {
	t.Parallel()
	for path, s := range shapes() {
		for _, f := range s.Fields {
			for _, text := range []string{f.Default, f.Example} {
				if text == "" {
					continue
				}
				if err := f.Read(newObject(t, path), text); err != nil {
					t.Errorf("%s.%s: %q: %v", path, f.Name, text, err)
				}
			}
		}
	}
}

// newObject returns an object that the rows at a path can be decoded into.
func newObject(t *testing.T, path string) any {
	t.Helper()
	kind, rest, _ := strings.Cut(path, ".")
	switch last := rest[strings.LastIndexByte(rest, '.')+1:]; {
	case rest == "":
		return map[string]any{kindModel: &envelope[Model]{}, kindPolicy: &envelope[Policy]{}, kindRollout: &envelope[Rollout]{}}[kind]
	case rest == "spec":
		return map[string]any{kindModel: &Model{}, kindPolicy: &Policy{}, kindRollout: &Rollout{}}[kind]
	case last == "environments" && kind == kindModel:
		return &ModelEnvironment{}
	default:
		obj := map[string]any{
			"metadata": &metadata{}, "serving": &Version{}, "candidate": &Version{}, "route": &Route{}, "header": &HeaderMatch{},
			"environments": &Environment{}, "requires": &Requires{}, "stages": &Stage{}, "gates": &Gate{}, "segments": &Segments{},
			"analysis": &Analysis{}, "faults": &Faults{}, "rollback": &Rollback{}, "notify": &Notice{},
			"slack": &Target{}, "teams": &Target{}, "pagerDuty": &Target{}, "webhook": &Target{}, "email": &Mail{},
		}[last]
		if obj == nil {
			t.Fatalf("no object for %s", path)
		}
		return obj
	}
}

func TestTheDefaultDwellIsTheTables(t *testing.T) {
	t.Parallel()
	f, _ := stageShape.Field("dwell")
	if f.Default != FormatDuration(defaultDwell) {
		t.Errorf("the table says %s, the checks say %s", f.Default, FormatDuration(defaultDwell))
	}
	f, _ = rolloutShape.Field("policy")
	if f.Default != DefaultPolicy || !isPreset(DefaultPolicy) {
		t.Errorf("the table's policy is %s, the default is %s", f.Default, DefaultPolicy)
	}
}

// checkSchema is a small validator of the part of JSON Schema that Schema uses.
func checkSchema(root, s map[string]any, v any) error {
	if ref, ok := s["$ref"].(string); ok {
		def := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")]
		if err := checkSchema(root, def.(map[string]any), v); err != nil {
			return err
		}
	}
	if err := checkType(s, v); err != nil {
		return err
	}
	if choices, ok := s["oneOf"].([]any); ok {
		fit, last := 0, error(nil)
		for _, c := range choices {
			if err := checkSchema(root, c.(map[string]any), v); err != nil {
				last = err
				continue
			}
			fit++
		}
		if fit != 1 {
			return fmt.Errorf("%d of %d choices fit: %w", fit, len(choices), last)
		}
	}
	switch x := v.(type) {
	case map[string]any:
		return checkObject(root, s, x)
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, item := range x {
			if err := checkSchema(root, items, item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	}
	return nil
}

func checkType(s map[string]any, v any) error {
	if want, ok := s["type"]; ok {
		types := fmt.Sprint(want)
		got := map[bool]string{true: "string"}[false]
		switch v.(type) {
		case map[string]any:
			got = "object"
		case []any:
			got = "array"
		case string:
			got = "string"
		case bool:
			got = "boolean"
		case float64, int64:
			got = "(number|integer)"
		}
		if !regexp.MustCompile(`\b` + got + `\b`).MatchString(types) {
			return fmt.Errorf("%v is no %s", v, types)
		}
	}
	text, isText := v.(string)
	if p, ok := s["pattern"].(string); ok && isText && !regexp.MustCompile(p).MatchString(text) {
		return fmt.Errorf("%q does not match %s", text, p)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%v is none of %v", v, enum)
	}
	return nil
}

func checkObject(root, s, x map[string]any) error {
	for _, name := range asList(s["required"]) {
		if _, ok := x[name.(string)]; !ok {
			return fmt.Errorf("%s is missing", name)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(x)) {
		p, ok := properties[name].(map[string]any)
		if !ok && s["additionalProperties"] == false {
			return fmt.Errorf("%s is unknown", name)
		}
		if err := checkSchema(root, p, x[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// TestTheSchemaTakesWhatParseTakes runs all golden inputs through both. What
// Parse reads the schema must take; what only decoding refuses it must refuse.
func TestTheSchemaTakesWhatParseTakes(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	for _, name := range []string{"full", "fields", "model", "stages", "gates", "outputs", "rollout", "unsupported", "syntax"} {
		for _, c := range readCases(t, "testdata/"+name+".txt") {
			data := []byte(expandCase(c.input))
			roots, problems := document.Read(c.title, data)
			if len(problems) > 0 {
				continue
			}
			_, _, parsed := Parse("f", data)
			var err error
			for _, r := range roots {
				if e := checkSchema(root, root, r.Plain()); e != nil {
					err = e
				}
			}
			if parsed == nil {
				good++
				if err != nil {
					t.Errorf("%s: Parse takes %q, and the schema says %v", name, c.title, err)
				}
				continue
			}
			if err != nil {
				bad++
			}
		}
	}
	if good < 15 || bad < 15 {
		t.Errorf("only %d good and %d bad inputs were compared", good, bad)
	}
}

func TestTheSchemaRefusesWhatIsMistyped(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	for title, input := range map[string]string{
		"an unknown field":      "@policy\n  extnds: standard\n",
		"a bare weight":         "@policy\n  stages: [{weight: 10}]\n",
		"a bare duration":       "@policy\n  warmup: 30\n",
		"two kinds of stage":    "@policy\n  stages: [{weight: 10%, shadow: 5%}]\n",
		"an unknown enum":       "@policy\n  analysis: {onUndecided: wait}\n",
		"a missing model":       "@rollout\n  candidate: {version: v7}\n",
		"text for a count":      "@policy\n  minSamples: many\n",
		"a list for a mapping":  "@policy\n  analysis: [alpha]\n",
		"a URL without scheme":  "@rollout\n  model: m\n  candidate: {version: v7, url: localhost}\n",
		"a name with a space":   "@rollout\n  model: a b\n  candidate: {version: v7}\n",
		"another kind":          "apiVersion: belay.dev/v1alpha1\nkind: Job\nmetadata: {name: a}\nspec: {}\n",
		"a secret in the open":  "@policy\n  notify: [{slack: {urlFrom: hunter2}}]\n",
		"an environment of two": "@policy\n  environments: [{stages: []}]\n",
	} {
		roots, problems := document.Read(title, []byte(expandCase(input)))
		if len(problems) > 0 {
			t.Fatalf("%s: %v", title, problems)
		}
		if err := checkSchema(root, root, roots[0].Plain()); err == nil {
			t.Errorf("the schema takes %s", title)
		}
	}
}

func TestShapesThatDifferHaveNamesThatDifferInTheSchema(t *testing.T) {
	t.Parallel()
	names := map[string]*field.Shape{}
	for path, s := range shapes() {
		name := s.Def
		if name == "" {
			name = s.Name
		}
		same := names[name] == nil || names[name] == s || name == "metadata"
		if !same {
			t.Errorf("%s: another shape is called %s too", path, name)
		}
		names[name] = s
	}
}

// TestEveryRowRefusesWhatIsOfAnotherKind reads nothing, a value, a list and a
// mapping into each row of the table. Whatever a row takes, it takes at most
// two of them, and refuses the rest at its own path.
func TestEveryRowRefusesWhatIsOfAnotherKind(t *testing.T) {
	t.Parallel()
	rows := 0
	for path, s := range shapes() {
		for _, f := range s.Fields {
			rows++
			refused := 0
			for _, text := range []string{"{a: null}", "{a: \"\\\"\"}", "{a: [[]]}", "{a: {\"\\\"\": 1}}"} {
				roots, problems := document.Read("row", []byte(strings.Replace(text, "{a:", "{"+f.Name+":", 1)))
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				d := field.NewDecoder("row", roots[0])
				d.Object(&field.Shape{Name: "row", Fields: []field.Field{f}}, newObject(t, path), roots[0], "")
				if len(d.Problems) > 0 {
					refused++
				}
				for _, p := range d.Problems {
					if !strings.HasPrefix(p.Path, f.Name) || p.Line != 1 || p.Hint == "" {
						t.Errorf("%s.%s: %s: %+v is not at the row", path, f.Name, text, p)
					}
				}
			}
			// Lines of text may be a single quotation mark.
			if refused < 3 {
				t.Errorf("%s.%s refuses only %d of 4", path, f.Name, refused)
			}
		}
	}
	if rows < 150 {
		t.Errorf("only %d rows were tried", rows)
	}
}

// TestOnlyNamesKindsOfStagesThatExist makes one stage of each kind and asks for
// its name.
func TestOnlyNamesKindsOfStagesThatExist(t *testing.T) {
	t.Parallel()
	known := []string{}
	for _, s := range []Stage{
		{Weight: new(Weight(1))},
		{Shadow: new(Weight(1))},
		{Check: CheckContract},
		{Check: CheckDataset},
		{Check: CheckLoad},
		{Check: CheckReplay},
		{Check: CheckCommand},
	} {
		known = append(known, stageName(&s))
	}
	if stageName(&Stage{}) != "" {
		t.Error("a stage that is nothing has a name")
	}
	for _, f := range stageShape.Fields {
		for _, kind := range f.Only {
			if !slices.Contains(known, kind) {
				t.Errorf("%s belongs to %q, which is no kind of stage", f.Name, kind)
			}
		}
	}
	for name, m := range fixedMetrics {
		for _, place := range m.places {
			if !slices.Contains(known, place) {
				t.Errorf("%s is measured at %q, which is no kind of stage", name, place)
			}
		}
	}
}

// TestEveryOfferedMetricExists also shows that a suggestion is never wrong.
func TestEveryOfferedMetricExists(t *testing.T) {
	t.Parallel()
	for _, name := range metricNames() {
		if _, f := metricOf(Gate{Metric: name}); f != nil {
			t.Errorf("%s is offered: %v", name, f)
		}
	}
	for name := range fixedMetrics {
		if !slices.Contains(metricNames(), name) {
			t.Errorf("%s exists and is not offered", name)
		}
	}
}
