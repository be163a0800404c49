package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// checking is what the flags of check ask for.
type checking struct {
	baseline, candidate, data string
	armColumn, arms           string
	files                     []string
	choice                    plan.Choice
	columns, optional, by     []string
	stratifyBy                string
	guard                     bool
	require, alpha, maxBad    string
	minSamples                int64
	options                   check.Options
}

const checkHelp = `Judge files of observations by the gates of a policy, without a server: each row is one request, answered by the
baseline or by the candidate. Files are CSV or JSON lines, gzipped or not; - is standard input.

Columns are found by their names (latency_ms, status, error, correct, outcome:NAME, output, label, unit, id …); what was
found is told on standard error. Rows of both arms with the same id are compared with each other.

Each test is made for one look at files of a size that was fixed beforehand. Who looks again while they grow says
--anytime.`

const checkStatus = `Exit status:
   0  every gate passes; with --require no-harm: none fails
   1  failure
   2  wrong usage, or files that cannot be read
  10  a gate fails: harm beyond its margin is proven
  11  undecided
  14  there is nothing to judge a gate by
`

func newCheck(s *session) *cobra.Command {
	var a checking
	cmd := &cobra.Command{
		Use:   "check --baseline FILE --candidate FILE (-f FILE | --policy NAME | --gate GATE)",
		Short: "Judge files of observations by gates: for pipelines, shadow results, golden datasets",
		Long:  checkHelp + "\n\n" + checkStatus,
		Example: "  belay check --baseline v6.jsonl --candidate v7.jsonl -f policy.yaml\n" +
			"  belay check --data all.csv.gz --arm-column version --arms v6,v7 --gate 'error_rate maxIncrease 1pp'\n" +
			"  belay check --baseline v6.csv --candidate v7.csv --gate 'agreement min 99%' --gate 'accuracy maxDecrease 1pp'",
		Args: takes(0, 0, "its files with --baseline and --candidate, or with --data"),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.check(cmd, a) },
	}
	f := cmd.Flags()
	f.StringVar(&a.baseline, "baseline", "", "`file` of the baseline's rows")
	f.StringVar(&a.candidate, "candidate", "", "`file` of the candidate's rows")
	f.StringVar(&a.data, "data", "", "`file` of the rows of both, with a column that says the arm")
	f.StringVar(&a.armColumn, "arm-column", "", "`column` of --data that says the arm (default: one named arm, variant or group)")
	f.StringVar(&a.arms, "arms", "", "`values` of that column for the baseline and the candidate, such as v6,v7 (default baseline,candidate)")
	f.StringArrayVarP(&a.files, "filename", "f", nil, "`file` with the policy; may be repeated")
	f.StringVar(&a.choice.Policy, "policy", "", "`name` of the policy, of the files or a preset (default: the only one of the files)")
	f.StringVar(&a.choice.Stage, "stage", "", "`stage` whose gates are used: shadow, dataset, load, replay, or a weight such as 10%")
	f.StringArrayVar(&a.choice.Gates, "gate", nil, "`gate` in words, such as 'error_rate maxIncrease 20%'; may be repeated")
	f.StringSliceVar(&a.choice.Only, "only", nil, "`gates` that are used, by their metrics")
	f.StringArrayVar(&a.columns, "column", nil, "`role=column`, such as latency=took:ms, outcome:paid=is_paid, output=/answer/label; role= for none; may be repeated")
	f.StringSliceVar(&a.optional, "optional", nil, "`roles` whose values may be empty, such as outcome:paid")
	f.StringVar(&a.stratifyBy, "stratify-by", "", "`column` whose values are compared apart; time:1h for stretches of time (default: one named stratum or stage)")
	f.StringSliceVar(&a.by, "by", nil, "`columns` by whose values the worst segments are named")
	f.BoolVar(&a.guard, "guard-segments", false, "let a harm in one segment fail the check, as segments.guard of a policy does")
	f.BoolVar(&a.options.Unpaired, "unpaired", false, "do not pair rows by id")
	f.IntVar(&a.options.MaxIDs, "max-ids", sample.DefaultMaxIDs, "`number` of ids that are paired at most")
	f.Float64Var(&a.options.Tolerance, "tolerance", sample.DefaultTolerance, "relative `difference` below which two numbers are the same answer")
	f.StringVar(&a.maxBad, "max-bad", percentText(check.DefaultMaxBad), "`share` of rows that may be bad, such as 1%")
	f.StringVar(&a.require, "require", "", "`what` the gates must be: within-margin or no-harm (default: as the stage says, or within-margin)")
	f.StringVar(&a.alpha, "alpha", "", "`chance` of a false fail over all gates, such as 5% (default: the policy's)")
	f.Int64Var(&a.minSamples, "min-samples", -1, "`rows` that each arm needs before a gate passes (default: the policy's, or 100 without one)")
	f.Lookup("min-samples").DefValue = "0" // That none were asked for is -1, which tells nobody anything.
	f.BoolVar(&a.options.Anytime, "anytime", false, "judge so that the answer holds however often it is asked for while the files grow")
	_ = cmd.RegisterFlagCompletionFunc("require", cobra.FixedCompletions([]string{string(spec.WithinMargin), string(spec.NoHarm)}, cobra.ShellCompDirectiveNoFileComp)) // Fails only for flags that are not there.
	return cmd
}

func (s *session) check(cmd *cobra.Command, a checking) error {
	if s.settings.Output == config.OutputName {
		return usagef("a check has no names; write -o table, wide, json or yaml")
	}
	o, err := s.checkOptions(a)
	if err != nil {
		return err
	}
	done, err := s.checkSources(a, o)
	defer done()
	if err != nil {
		return err
	}
	r, err := check.Run(cmd.Context(), *o)
	if r != nil {
		s.tellRead(r)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return err
	}
	for _, note := range r.Notes {
		s.say("note: %s", note)
	}
	err = s.show(shown{data: r, name: func() []string { return nil }, table: func(bool) []string { return s.frame().Checked(r) }})
	if status := checkExit[string(r.Verdict)]; err == nil && status != exitDone {
		return exitError{status}
	}
	return err
}

// checkExit is the exit status of each verdict.
var checkExit = map[string]int{"pass": exitDone, "fail": exitRolledBack, "undecided": exitUndecided, "no-data": exitDataFault}

// tellRead says which columns were used, and what is wrong with the files.
func (s *session) tellRead(r *check.Report) {
	var used []string
	for _, c := range r.Columns {
		used = append(used, c.String())
	}
	text := "columns: " + strings.Join(used, ", ")
	if len(used) == 0 {
		text = "columns: none"
	}
	if len(r.Unused) > 0 {
		text += "; not used: " + strings.Join(r.Unused, ", ")
	}
	s.say("%s", text)
	for _, f := range r.Files {
		for _, fault := range f.Faults {
			s.say("%s: %s", f.Name, fault)
		}
	}
}

// checkOptions reads the flags.
func (s *session) checkOptions(a checking) (*check.Options, error) {
	o := a.options
	var err error
	if o.Plan, err = s.checkPlan(a); err != nil {
		return nil, err
	}
	if o.MaxBad, err = percentage("--max-bad", a.maxBad, true); err != nil {
		return nil, err
	}
	for _, text := range a.columns {
		ask, err := column.ParseAsk(text)
		if err != nil {
			return nil, err
		}
		o.Columns = append(o.Columns, ask)
	}
	if a.armColumn != "" {
		o.Columns = append(o.Columns, column.Ask{Role: column.Arm, Column: a.armColumn})
	}
	for _, role := range a.optional {
		o.Optional = append(o.Optional, column.Role(role))
	}
	if a.arms != "" {
		names := strings.Split(a.arms, ",")
		if len(names) != 2 || names[0] == "" || names[1] == "" || strings.EqualFold(names[0], names[1]) {
			return nil, usagef("--arms %q: write what stands for the baseline and for the candidate, such as v6,v7", a.arms)
		}
		copy(o.Arms[:], names)
	}
	o.By = a.by
	o.StratifyBy = a.stratifyBy
	if name, every, ok := cutLast(a.stratifyBy, ":"); ok {
		if d, err := time.ParseDuration(every); err == nil && d > 0 {
			o.StratifyBy, o.Every = name, d
		}
	}
	switch {
	case o.MaxIDs < 1:
		return nil, usagef("--max-ids %d: write at least 1", o.MaxIDs)
	case !(o.Tolerance >= 0 && o.Tolerance < 1):
		return nil, usagef("--tolerance %v: write a number from 0 to less than 1", o.Tolerance)
	}
	return &o, nil
}

// cutLast cuts at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return s, "", false
}

// checkPlan finds the gates, and what the flags say in place of the policy.
func (s *session) checkPlan(a checking) (plan.Plan, error) {
	var all spec.File
	var errs spec.Problems
	for _, path := range a.files {
		data, err := s.readAll(path, maxDocument)
		if err != nil {
			return plan.Plan{}, err
		}
		if path == "-" {
			path = "standard input"
		}
		file, _, err := spec.Parse(path, data)
		errs = append(errs, found(err)...)
		all.Policies = append(all.Policies, file.Policies...)
		all.Rollouts = append(all.Rollouts, file.Rollouts...)
	}
	if err := errs.Err(); err != nil {
		return plan.Plan{}, s.mistakes(err)
	}
	p, err := plan.Choose(all, a.choice)
	if _, ok := errors.AsType[spec.Problems](err); ok {
		return plan.Plan{}, s.mistakes(err)
	}
	if err != nil {
		return plan.Plan{}, err
	}
	switch spec.Requirement(a.require) {
	case "":
	case spec.WithinMargin, spec.NoHarm:
		p.Require = spec.Requirement(a.require)
	default:
		return plan.Plan{}, usagef("--require %q: write within-margin or no-harm", a.require)
	}
	if a.alpha != "" {
		if p.Alpha, err = percentage("--alpha", a.alpha, false); err != nil {
			return plan.Plan{}, err
		}
	}
	if a.minSamples >= 0 {
		p.MinSamples = a.minSamples
	}
	p.Guarded = p.Guarded || a.guard
	return p, nil
}

// percentage reads a percentage below 100 %, or a fraction.
func percentage(flag, text string, zero bool) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 || zero && x == 0) || !(x < 1) {
		return 0, usagef("%s %q: write a percentage such as 5%%", flag, text)
	}
	return x, nil
}

func percentText(x float64) string { return strconv.FormatFloat(100*x, 'g', -1, 64) + "%" }

// checkSources opens the way to the files. What it returns first takes away what
// was made for that.
func (s *session) checkSources(a checking, o *check.Options) (done func(), err error) {
	paths := []string{a.baseline, a.candidate, a.data}
	piped := 0
	for _, path := range slices.Concat(paths, a.files) {
		if path == "-" {
			piped++
		}
	}
	switch {
	case piped > 1:
		return func() {}, usagef("standard input is one file; name the others")
	case a.data != "" && (a.baseline != "" || a.candidate != ""):
		return func() {}, usagef("--data has the rows of both arms; leave --baseline and --candidate out")
	case a.data == "" && (a.armColumn != "" || a.arms != ""):
		return func() {}, usagef("--arm-column and --arms are for one file of both arms; name it with --data")
	case a.data == "" && (a.baseline == "" || a.candidate == ""):
		return func() {}, usagef("there is nothing to compare; name the files with --baseline and --candidate, or one of both with --data")
	case a.baseline != "" && a.baseline == a.candidate:
		return func() {}, usagef("--baseline and --candidate are the same file")
	}
	done = func() {}
	for i, to := range []**sample.Source{&o.Baseline, &o.Candidate, &o.Data} {
		path := paths[i]
		switch path {
		case "":
			continue
		case "-":
			spooled, err := spool(s.in)
			if err != nil {
				return done, err
			}
			done = func() { _ = os.Remove(spooled) } // It was ours alone.
			*to = &sample.Source{Name: "standard input", Open: func() (io.ReadCloser, error) { return os.Open(spooled) }}
		default:
			*to = &sample.Source{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
		}
	}
	return done, nil
}

// spool writes standard input to a temporary file, because what is checked is
// read more than once.
func spool(in io.Reader) (path string, err error) {
	f, err := os.CreateTemp("", "belay-check-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
