// Package scenario describes traffic and two versions that answer it: how many
// requests come and when, who sends them, how the baseline behaves, and what the
// candidate does otherwise.
//
//	file ─ Parse ─► Scenario ─► simulate (a whole rollout), bench (other rules)
//
// It promises that a scenario is understood wholly or refused, with all its
// mistakes at once, each with line, column and what to do; and that a Scenario
// that Check accepts can be drawn from: nothing in it is negative, no number or
// without bound. It draws nothing itself, opens no file and knows no clock.
//
// A few scenarios are always there (Builtin). They are written in the format of
// the users' files and read by the same parser.
package scenario
