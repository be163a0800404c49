package planner

import "testing"

func TestTheClassOfAnOutputIsPartOfItsName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"output:label=fraud=5%":           {"output:label=fraud", "5%"},
		"output:score:mean=12.5,cv=8":     {"output:score:mean", "12.5,cv=8"},
		"outcome:conversion=5%,delay=30m": {"outcome:conversion", "5%,delay=30m"},
		"error_rate=0.5%":                 {"error_rate", "0.5%"},
	} {
		if name, rest, ok := named(text); !ok || name != want[0] || rest != want[1] {
			t.Errorf("%s: %q at %q", text, name, rest)
		}
	}
	if _, _, ok := named("output:label"); ok {
		t.Error("a name without a value is read")
	}
}
