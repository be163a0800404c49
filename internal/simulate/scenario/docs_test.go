package scenario_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

const guide = "../../../docs/simulate.md"

func TestTheExamplesAreScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../examples/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: no examples", err)
	}
	for _, file := range files {
		if filepath.Base(file) == "rollout.yaml" { // What is played in them.
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := scenario.Parse(file, data); err != nil || len(all) == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheGuidesScenarioCanBeRead(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	if all, err := scenario.Parse(guide, []byte(text)); !found || err != nil || len(all) != 1 {
		t.Errorf("%v", err)
	}
}

func TestTheGuideTellsOfEveryField(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(scenario.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	fields := 0
	for def, d := range schema.Defs {
		for name := range d.Properties {
			fields++
			if text := string(data); !strings.Contains(text, "`"+name) && !strings.Contains(text, name+":") && !strings.Contains(text, name+", ") {
				t.Errorf("%s of %s is not in the guide", name, def)
			}
		}
	}
	if fields < 60 {
		t.Errorf("only %d fields were looked for", fields)
	}
}
