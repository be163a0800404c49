package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/problem"
)

func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := pairs[name]; return v, ok }
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreWhatTheDocumentsSay(t *testing.T) {
	t.Parallel()
	want := Settings{
		Data: "./belay-data", Listen: ":8080", Admin: "127.0.0.1:7070", Tick: time.Second, Drain: 30 * time.Second,
		LogLevel: slog.LevelInfo, LogFormat: Text,
		Server: "http://127.0.0.1:7070", Output: OutputTable, Timeout: 30 * time.Second,
	}
	if diff := cmp.Diff(want, Default()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestFlagsBeatVariablesBeatTheFileBeatsDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load(Sources{
		Flags: map[string]string{"data": "flag"},
		Env:   env(map[string]string{"BELAY_DATA": "env", "BELAY_LOG_LEVEL": "warn", "BELAY_OUTPUT": ""}),
		File:  write(t, "# all of them\ndata: file\nlogLevel: debug\nadmin: \"127.0.0.1:7171\"\ninsecureAdmin: true\ndrain: 5s\noutput: json\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.LogLevel, want.Admin, want.InsecureAdmin = "flag", slog.LevelWarn, "127.0.0.1:7171", true
	want.Drain, want.Output = 5*time.Second, OutputJSON
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestAllMistakesAreToldAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	file := write(t, "data: x\ntick: 1ms\nlisten: 8080\nlogLvel: info\ndata: y\nadmin: [a]\n")
	_, err := Load(Sources{
		Flags: map[string]string{"log-level": "loud", "drain": "1h"},
		Env:   env(map[string]string{"BELAY_SERVER": "localhost", "BELAY_LOG_FORMAT": "xml", "BELAY_INSECURE_ADMIN": "perhaps"}),
		File:  file,
	})
	if !problem.Is(err, problem.Invalid) {
		t.Fatalf("got %v, want an invalid problem", err)
	}
	for _, want := range []string{
		file + ":2: tick: 1ms is out of range; use 50ms to 1m0s",
		file + ":3: listen: \"8080\" is no address",
		file + ":4: logLvel: is no setting; there are data, listen",
		file + ":5: data: is written twice",
		file + ":6: admin: takes a single value",
		"--log-level: \"loud\" is none of debug, info, warn, error",
		"--drain: 1h0m0s is out of range",
		"BELAY_SERVER: \"localhost\" is no URL",
		"BELAY_LOG_FORMAT: \"xml\" is none of text, json",
		"BELAY_INSECURE_ADMIN: \"perhaps\" is neither true nor false",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if n := len(problem.List(err)); n != 10 {
		t.Errorf("%d problems, want 10:\n%v", n, err)
	}
}

func TestFilesThatAreNoSettings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a list":       {"- a\n", "written as `key: value`"},
		"broken YAML":  {"data: [\n", "config.yaml"},
		"much too big": {"data: " + strings.Repeat("x", maxFile), "is larger than"},
	} {
		if _, err := Load(Sources{File: write(t, tt.text)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: got %v", err)
	}
	for name, text := range map[string]string{"nothing": "", "only a comment": "# later\n"} {
		if got, err := Load(Sources{File: write(t, text)}); err != nil || got != Default() {
			t.Errorf("%s: got %+v, %v, want the defaults", name, got, err)
		}
	}
}

func TestAnAdminAddressThatOthersReachNeedsAWord(t *testing.T) {
	t.Parallel()
	for addr, open := range map[string]bool{
		"127.0.0.1:7070": false, "127.8.8.8:0": false, "[::1]:7070": false, "localhost:7070": false, "[::ffff:127.0.0.1]:1": false,
		":7070": true, "0.0.0.0:7070": true, "[::]:7070": true, "192.168.1.2:7070": true, "localhost.example.org:7070": true,
	} {
		_, err := Load(Sources{Flags: map[string]string{"admin": addr}})
		if open != problem.Is(err, problem.Invalid) {
			t.Errorf("%s: got %v, want a refusal: %v", addr, err, open)
		}
		if _, err := Load(Sources{Flags: map[string]string{"admin": addr, "insecure-admin": "true"}}); err != nil {
			t.Errorf("%s with the word: %v", addr, err)
		}
	}
}

func TestTrafficAndAdminDoNotShareAnAddress(t *testing.T) {
	t.Parallel()
	for addr, bad := range map[string]bool{"127.0.0.1:7070": true, "127.0.0.1:0": false} {
		if _, err := Load(Sources{Flags: map[string]string{"admin": addr, "listen": addr}}); bad != (err != nil) {
			t.Errorf("%s twice: got %v", addr, err)
		}
	}
}

func TestNamesOfSettings(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range All {
		if seen[s.Flag()] || s.Usage == "" {
			t.Errorf("%s: named twice or without usage", s.Key)
		}
		seen[s.Flag()] = true
	}
	s := Setting{Key: "logLevel"}
	if s.Flag() != "log-level" || s.Env() != "BELAY_LOG_LEVEL" {
		t.Errorf("logLevel is --%s and %s", s.Flag(), s.Env())
	}
}

// The test sets variables of the process, so it is not parallel.
func TestTheEnvironmentNamesTheFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv("BELAY_CONFIG", "")
	if got := Environment(nil).File; got != "" {
		t.Errorf("without any file: %q", got)
	}
	usual := filepath.Join(home, "belay", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(usual), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(usual, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Environment(nil).File; got != usual {
		t.Errorf("with the usual file: %q, want %q", got, usual)
	}
	t.Setenv("BELAY_CONFIG", "from-env")
	if got := Environment(nil).File; got != "from-env" {
		t.Errorf("with BELAY_CONFIG: %q", got)
	}
	if got := Environment(map[string]string{"config": "from-flag"}).File; got != "from-flag" {
		t.Errorf("with --config: %q", got)
	}
}
