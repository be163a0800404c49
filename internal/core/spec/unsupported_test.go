package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

func paths(rs spec.Refusals) []string {
	var list []string
	for _, p := range rs {
		list = append(list, p.File+" "+p.Path)
	}
	return list
}

func TestPoliciesAreJudgedWithWhatTheyExtend(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		docs     []string
		want     []string
		warnings int
	}{
		"a plain policy runs":                {[]string{policyDoc("p", "  stages: [{weight: 100%}]\n")}, nil, 0},
		"a policy without stages runs":       {[]string{policyDoc("p", "  gates: [{metric: error_rate, max: 5%}]\n")}, nil, 0},
		"a preset's keepWarm earns a word":   {[]string{policyDoc("p", "  extends: standard\n")}, nil, 1},
		"a preset's approval is refused":     {[]string{policyDoc("p", "  extends: cautious\n")}, []string{"preset cautious spec.stages[4].approval"}, 1},
		"other stages replace the approvals": {[]string{policyDoc("p", "  extends: cautious\n  stages: [{weight: 100%}]\n")}, nil, 0},
		"what the policy itself says": {
			[]string{policyDoc("p", "  extends: q\n  segments: {by: [json:/x]}\n"), policyDoc("q", "  stages: [{shadow: 1%}, {weight: 100%, keepWarm: 1h}]\n  rollback: {auto: false}\n")},
			[]string{"test.yaml spec.stages[0].shadow", "test.yaml spec.stages[1].keepWarm"},
			0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := parse(t, tt.docs...)
			refusals, warnings, err := spec.UnsupportedPolicy(f.Policies[0], known(f))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, paths(refusals)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(warnings) != tt.warnings {
				t.Errorf("warnings = %v, want %d", warnings, tt.warnings)
			}
		})
	}
	lost := parse(t, policyDoc("p", "  extends: elsewhere\n")).Policies[0]
	if _, _, err := spec.UnsupportedPolicy(lost, nil); problem.CodeOf(err) != problem.Invalid {
		t.Errorf("a policy that extends what nobody knows: %v", err)
	}
}

func TestRefusalsAreRefusedAndNotInvalid(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc(""), rolloutDoc("  policy: cautious\n"))
	r, _ := resolve(t, f)
	refusals, _ := spec.Unsupported(r)
	err := refusals.Err()
	if problem.CodeOf(err) != problem.Refused || !strings.Contains(err.Error(), "spec.stages[4].approval: approvals cannot run in this version") {
		t.Errorf("%s: %v", problem.CodeOf(err), err)
	}
	if err := spec.Refusals(nil).Err(); err != nil {
		t.Errorf("nothing to refuse is %v", err)
	}
}

func TestWhatIsStoredCanStillBeRefused(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc(""), rolloutDoc("  stages: [{check: contract}, {weight: 100%}]\n"))
	r, _ := resolve(t, f)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back spec.Resolved
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	refusals, _ := spec.Unsupported(back)
	if len(refusals) != 1 || refusals[0].Path != "spec.environments[0].stages[0].check" || refusals[0].Line != 0 {
		t.Errorf("refusals = %+v", refusals)
	}
}
