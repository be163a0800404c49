package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one row of the table that flags, variables and the file are made
// from.
type Setting struct {
	// Key is its name in the file; Flag and Env follow from it.
	Key     string
	Default string
	Usage   string
	// Serve is true for settings of a server, false for those of commands.
	Serve bool
	// Switch is true for a setting that is on or off.
	Switch bool
	set    func(*Settings, string) error
}

// Flag is the setting's flag: logLevel becomes log-level.
func (s Setting) Flag() string { return strings.ToLower(split(s.Key, '-')) }

// Env is the setting's variable: logLevel becomes BELAY_LOG_LEVEL.
func (s Setting) Env() string { return "BELAY_" + strings.ToUpper(split(s.Key, '_')) }

// split puts a separator before each capital letter.
func split(key string, separator byte) string {
	var b strings.Builder
	for i := range len(key) {
		if key[i] >= 'A' && key[i] <= 'Z' {
			b.WriteByte(separator)
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

// All is the table of settings.
var All = []Setting{
	{
		Key: "data", Default: "./belay-data", Serve: true, set: text(func(s *Settings) *string { return &s.Data }),
		Usage: "`directory` that everything is kept in",
	},
	{
		Key: "listen", Default: ":8080", Serve: true, set: address(func(s *Settings) *string { return &s.Listen }),
		Usage: "`address` that traffic is served at",
	},
	{
		Key: "admin", Default: "127.0.0.1:7070", Serve: true, set: address(func(s *Settings) *string { return &s.Admin }),
		Usage: "`address` of the API, the metrics and the probes",
	},
	{
		Key: "insecureAdmin", Default: "false", Serve: true, Switch: true, set: setInsecureAdmin,
		Usage: "allow an admin address that other machines reach, although there is no log-in",
	},
	{
		Key: "tick", Default: "1s", Serve: true, set: duration(50*time.Millisecond, time.Minute, func(s *Settings) *time.Duration { return &s.Tick }),
		Usage: "`time` between two looks at a rollout",
	},
	{
		Key: "drain", Default: "30s", Serve: true, set: duration(0, 10*time.Minute, func(s *Settings) *time.Duration { return &s.Drain }),
		Usage: "`time` that requests under way get to end when the server stops",
	},
	{
		Key: "logLevel", Default: "info", Serve: true, set: setLogLevel,
		Usage: "`level` of the log: debug, info, warn or error",
	},
	{
		Key: "logFormat", Default: "text", Serve: true, set: oneOf([]Format{Text, JSON}, func(s *Settings) *Format { return &s.LogFormat }),
		Usage: "`format` of the log: text or json",
	},

	{
		Key: "server", Default: "http://127.0.0.1:7070", set: setServer,
		Usage: "`URL` of the server",
	},
	{
		Key: "actor", Default: "", set: setActor,
		Usage: "`name` of who asks, for the decision log (default: your user name)",
	},
	{
		Key: "output", Default: "table", set: oneOf(Outputs, func(s *Settings) *Output { return &s.Output }),
		Usage: "`form` of the output: table, wide, json, yaml or name",
	},
	{
		Key: "requestTimeout", Default: "30s", set: duration(100*time.Millisecond, time.Hour, func(s *Settings) *time.Duration { return &s.Timeout }),
		Usage: "`time` that one request to the server may take, tried again or not",
	},
}

func text(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		if strings.TrimSpace(v) == "" {
			return fmt.Errorf("is empty")
		}
		*field(s) = v
		return nil
	}
}

func duration(least, most time.Duration, field func(*Settings) *time.Duration) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is no duration; write one such as 500ms, 1s or 2m", v)
		}
		if d < least || d > most {
			return fmt.Errorf("%v is out of range; use %v to %v", d, least, most)
		}
		*field(s) = d
		return nil
	}
}

func oneOf[T ~string](values []T, field func(*Settings) *T) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		if !slices.Contains(values, T(v)) {
			return fmt.Errorf("%q is none of %s", v, join(values))
		}
		*field(s) = T(v)
		return nil
	}
}

func join[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

func setInsecureAdmin(s *Settings, v string) error {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	s.InsecureAdmin = on
	return nil
}

func setLogLevel(s *Settings, v string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[v]
	if !ok {
		return fmt.Errorf("%q is none of debug, info, warn, error", v)
	}
	s.LogLevel = level
	return nil
}

func setServer(s *Settings, v string) error {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is no URL of a server; write one such as http://127.0.0.1:7070", v)
	}
	s.Server = v
	return nil
}

func setActor(s *Settings, v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(v) > 128 {
		return fmt.Errorf("%q is no name; use up to 128 printable characters", v)
	}
	s.Actor = v
	return nil
}
