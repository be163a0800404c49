// Package cli is the command line: `belay serve` and everything that people and
// pipelines ask of a server.
//
// Commands speak to a server through package client alone, as anybody else
// would; only serve and demo start one. Data goes to standard output in the
// form that -o asks for, prose and errors to standard error, and how it went is
// the exit status (exit.go has the one table). Output to a pipe has no colours
// and no moving parts. Nothing is asked back: a command that needs more than it
// was given says so and ends.
//
// The package keeps no state between commands. Settings come from flags over
// BELAY_* variables over a file (package config).
package cli
