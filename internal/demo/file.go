package demo

import (
	_ "embed" // The files are part of the binary.
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// The files that the demo applies, as a user would write them. Everything that its statistics rest on, such as weights,
// margins, samples and what is held back at 100 %, is in the policy and nowhere else.
var (
	//go:embed files/policy.yaml
	policyFile string
	//go:embed files/model.yaml
	modelFile string
	//go:embed files/rollout.yaml
	rolloutFile string
)

const (
	modelName   = "digits"
	baseline    = "v1"
	outcomeName = "correct"
)

// dwells finds the dwells in the policy file.
var dwells = regexp.MustCompile(`\bdwell: (\w+)`)

// policy is the policy file with its dwells shortened: 2 halves them.
func policy(speed float64) string {
	return dwells.ReplaceAllStringFunc(policyFile, func(text string) string {
		d, err := spec.ParseDuration(dwells.FindStringSubmatch(text)[1])
		if err != nil {
			return text // The server will say what is wrong with it.
		}
		return "dwell: " + spec.FormatDuration(shortened(d, speed))
	})
}

// shortened divides a time by the speed. Files write durations in whole milliseconds.
func shortened(d time.Duration, speed float64) time.Duration {
	return time.Duration(float64(d) / speed).Round(time.Millisecond)
}

// ladder is what the narration says of a policy.
type ladder struct {
	weights []string
	// total is the sum of the dwells, the least time that a rollout takes to the top.
	total time.Duration
	// first is the weight of the first stage, a share of 1, and dwell how long it lasts at least.
	first float64
	dwell time.Duration
	// samples is what each arm needs at each stage.
	samples int
}

// readLadder reads a policy as the server will.
func readLadder(policy string) (ladder, error) {
	file, _, err := spec.Parse("policy.yaml", []byte(policy))
	if err != nil {
		return ladder{}, fmt.Errorf("read the demo's policy: %w", err)
	}
	plan := file.Policies[0].Plan
	l := ladder{samples: int(*plan.MinSamples)}
	for _, s := range plan.Stages {
		l.weights = append(l.weights, s.Weight.String())
		l.total += *s.Dwell
	}
	l.first, l.dwell = float64(*plan.Stages[0].Weight)/float64(spec.Whole), *plan.Stages[0].Dwell
	return l, nil
}

// model is the model file, with the version that serves.
func model(version, url string) string { return filled(modelFile, version, url) }

// deployment is the rollout file of a candidate.
func deployment(version, url string) string { return filled(rolloutFile, version, url) }

func filled(file, version, url string) string {
	return strings.NewReplacer("{{.Version}}", version, "{{.URL}}", url).Replace(file)
}

// rolloutName is the name that the rollout file gives.
func rolloutName(version string) string { return modelName + "-" + version }
