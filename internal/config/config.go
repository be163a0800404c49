// Package config reads the settings of a server and of the command line: flags
// over BELAY_* variables over a file over defaults, into one validated struct.
//
// It promises that what it returns can be used as it is, and that all mistakes
// are told at once, each with the place it was written at. It is the only
// package that reads settings; everybody else is handed values. It opens no
// sockets and creates no files: whether an address is free or a directory can
// be written to shows where it is used.
package config

import (
	"log/slog"
	"time"
)

// Settings are all settings. The zero value is not valid; see Load and Default.
type Settings struct {
	// Data is the directory that a server keeps everything in.
	Data string
	// Listen is the address that traffic is served at.
	Listen string
	// Admin is the address of the API, the metrics and the probes. It knows no
	// log-in, so it is a loopback address unless InsecureAdmin is set.
	Admin         string
	InsecureAdmin bool
	// Tick is the time between two looks at a rollout.
	Tick time.Duration
	// Drain is how long requests under way may take to end when a server stops.
	Drain     time.Duration
	LogLevel  slog.Level
	LogFormat Format

	// Server is the base URL that commands speak to.
	Server string
	// Actor is who asks, for the decision log; empty means the user of the
	// operating system.
	Actor string
	// Output is how commands print.
	Output Output
	// Timeout bounds one request of a command.
	Timeout time.Duration
}

// Format is the form of a log.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Output is the form in which commands print their data.
type Output string

// The outputs.
const (
	OutputTable Output = "table"
	OutputWide  Output = "wide"
	OutputJSON  Output = "json"
	OutputYAML  Output = "yaml"
	OutputName  Output = "name"
)

// Outputs are all outputs, in the order in which they are offered.
var Outputs = []Output{OutputTable, OutputWide, OutputJSON, OutputYAML, OutputName}

// Default returns the settings of somebody who sets nothing.
func Default() Settings {
	s, err := Load(Sources{})
	if err != nil { // Not reached: the defaults are tested.
		panic(err)
	}
	return s
}
