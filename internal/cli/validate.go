package cli

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

func newValidate(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE…",
		Short: "Check files without a server: all mistakes with line, column and what to do",
		Long: "Check files without a server. All files are looked at together, so a rollout finds its model and its policy in\n" +
			"another one; what is in none of them is left for the server to check. `-` reads standard input.",
		Args: takes(1, 1000, "the names of files"),
		RunE: func(_ *cobra.Command, args []string) error { return s.validate(args) },
	}
}

// verdictOf is what validate found, as JSON has it.
type verdictOf struct {
	Valid    bool                 `json:"valid"`
	Problems []client.FileProblem `json:"problems"`
	Warnings []client.Warning     `json:"warnings"`
}

func (s *session) validate(paths []string) error {
	v := verdictOf{Problems: []client.FileProblem{}, Warnings: []client.Warning{}}
	var all spec.File
	for _, path := range paths {
		data, err := s.readAll(path, maxDocument)
		if err != nil {
			return err
		}
		name := path
		if path == "-" {
			name = "standard input"
		}
		file, warnings, err := spec.Parse(name, data)
		v.take(warnings, err)
		all.Models = append(all.Models, file.Models...)
		all.Policies = append(all.Policies, file.Policies...)
		all.Rollouts = append(all.Rollouts, file.Rollouts...)
	}
	// What a broken file would mean to another one is anybody's guess.
	if len(v.Problems) == 0 {
		v.together(all)
	}
	v.Valid = len(v.Problems) == 0
	for _, p := range v.Problems {
		s.say("%s", placed(p))
	}
	s.warn(v.Warnings)
	err := s.show(shown{
		data: v,
		name: func() []string { return nil },
		table: func(bool) []string {
			if !v.Valid {
				return nil
			}
			return []string{"valid: " + frame.Things(len(all.Models), "model") + ", " + policies(len(all.Policies)) + ", " + frame.Things(len(all.Rollouts), "rollout")}
		},
	})
	if err == nil && !v.Valid {
		s.say("belay: %s", frame.Things(len(v.Problems), "problem"))
		return exitError{exitUsage}
	}
	return err
}

func policies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return frame.Count(n) + " policies"
}

// together checks what shows only when documents meet, and what this version
// cannot run.
func (v *verdictOf) together(all spec.File) {
	find := func(name string) (spec.Policy, bool) {
		for _, p := range all.Policies {
			if p.Name == name {
				return p, true
			}
		}
		return spec.Policy{}, false
	}
	models := map[string]spec.Model{}
	for _, m := range all.Models {
		models[m.Name] = m
		v.take(nil, spec.UnsupportedModel(m).Err())
	}
	for _, p := range all.Policies {
		refusals, warnings, err := spec.UnsupportedPolicy(p, find)
		v.take(warnings, errors.Join(err, refusals.Err()))
	}
	for _, r := range all.Rollouts {
		m, here := models[r.Model]
		if _, known := find(r.Policy); !here || r.Policy != "" && !known && !preset(r.Policy) {
			continue // The server knows the rest.
		}
		resolved, warnings, err := spec.Resolve(m, r, find)
		v.take(warnings, err)
		if err == nil {
			refusals, warnings := spec.Unsupported(resolved)
			v.take(warnings, refusals.Err())
		}
	}
}

func preset(name string) bool {
	_, ok := spec.Preset(name)
	return ok
}

// take adds what was found, each thing once.
func (v *verdictOf) take(warnings []spec.Warning, err error) {
	for _, w := range warnings {
		x := client.Warning{Caution: string(w.Caution), File: w.File, Line: w.Line, Column: w.Column, Path: w.Path, Message: w.Message, Hint: w.Hint}
		v.Warnings = once(v.Warnings, x)
	}
	for _, p := range found(err) {
		x := client.FileProblem{File: p.File, Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message, Hint: p.Hint}
		v.Problems = once(v.Problems, x)
	}
}

func once[T comparable](all []T, x T) []T {
	if slices.Contains(all, x) {
		return all
	}
	return append(all, x)
}

// found lists the mistakes within an error of package spec.
func found(err error) []spec.Problem {
	if err == nil {
		return nil
	}
	var out []spec.Problem
	if ps, ok := errors.AsType[spec.Problems](err); ok {
		out = append(out, ps...)
	}
	if rs, ok := errors.AsType[spec.Refusals](err); ok {
		out = append(out, rs...)
	}
	if p, ok := errors.AsType[spec.Problem](err); ok {
		out = append(out, p)
	}
	if len(out) == 0 {
		out = append(out, spec.Problem{Message: err.Error()})
	}
	return out
}
