package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// A guide is a page of docs that shows files, commands and what they print. The
// tests below do what a reader of it does: write the files, run the commands, and
// compare.
type guide struct {
	files    map[string]string
	sessions []step   // commands that are shown with what they print
	commands []string // commands that are shown alone
}

// step is a command with what the page shows of its output, and its exit status.
type step struct {
	command string
	shown   []string
	status  int
}

var (
	fileName = regexp.MustCompile("(?m)^`([a-z-]+\\.yaml)`")
	fence    = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	alone    = regexp.MustCompile("(?m)^    (belay [^#\n]*?)(?: +#.*)?$")
)

func readGuide(t *testing.T, page string) guide {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	g, text, end := guide{files: map[string]string{}}, string(data), 0
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		before, kind, body := text[end:at[0]], text[at[2]:at[3]], text[at[4]:at[5]]
		end = at[1]
		for _, m := range alone.FindAllStringSubmatch(before, -1) {
			g.commands = append(g.commands, m[1])
		}
		// The paragraph just above a file names it.
		above := before[strings.LastIndex(strings.TrimRight(before, "\n"), "\n\n")+1:]
		if m := fileName.FindStringSubmatch(above); kind == "yaml" && m != nil {
			g.files[m[1]] = body
		}
		if kind == "" && strings.HasPrefix(body, "$ ") {
			g.sessions = append(g.sessions, session(t, body)...)
		}
	}
	for _, m := range alone.FindAllStringSubmatch(text[end:], -1) {
		g.commands = append(g.commands, m[1])
	}
	return g
}

// session cuts what is shown of a terminal into its commands.
func session(t *testing.T, body string) []step {
	t.Helper()
	var out []step
	for part := range strings.SplitSeq("\n"+body, "\n$ ") {
		command, shown, _ := strings.Cut(part, "\n")
		switch command {
		case "":
		case "echo $?":
			status, err := strconv.Atoi(strings.TrimSpace(shown))
			if err != nil {
				t.Fatal(err)
			}
			out[len(out)-1].status = status
		default:
			out = append(out, step{command: command, shown: strings.Split(strings.TrimRight(shown, "\n"), "\n")})
		}
	}
	return out
}

// follow runs a script in a directory with the files of a guide and of an example.
// shown are what `shows N STATUS COMMAND…` compares with.
func follow(t *testing.T, g *guide, example, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guide.txtar")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{file}, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BELAY_SERVER", "http://127.0.0.1:1")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir)
			env.Setenv("TMPDIR", env.WorkDir)
			if example != "" {
				if err := os.CopyFS(env.WorkDir, os.DirFS(filepath.Join("../../examples", example))); err != nil {
					return err
				}
			}
			for name, text := range g.files {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"shows": func(ts *testscript.TestScript, _ bool, args []string) {
				n, _ := strconv.Atoi(args[0])
				s := g.sessions[n]
				err := ts.Exec(args[1], args[2:]...)
				status := 0
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					status = exit.ExitCode()
				}
				if status != s.status {
					ts.Fatalf("exit status %d, the page says %d", status, s.status)
				}
				printed := strings.Split(ts.ReadFile("stderr")+ts.ReadFile("stdout"), "\n")
				if missing := firstMissing(s.shown, printed); missing != "" {
					ts.Fatalf("the page shows what is not printed: %s", missing)
				}
			},
		},
	})
}

// firstMissing is the first line of a page that is not printed in its place; … stands
// for lines that the page leaves out, and spaces in columns for as many as there are.
func firstMissing(shown, printed []string) string {
	rest := printed
	gap := true
	for _, line := range shown {
		if line == "…" {
			gap = true
			continue
		}
		at := slices.IndexFunc(rest, func(p string) bool { return slices.Equal(strings.Fields(p), strings.Fields(line)) })
		if at < 0 || at > 0 && !gap {
			return line
		}
		rest, gap = rest[at+1:], false
	}
	return ""
}

// exact skips where numbers may be rounded in another way than on the page.
func exact(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the commands of the docs")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("another processor rounds in another way")
	}
}

func TestTheGuideToPlansCanBeFollowed(t *testing.T) {
	t.Parallel()
	exact(t)
	g := readGuide(t, "plan.md")
	if len(g.sessions) != 1 || g.files["fraud.yaml"] == "" || g.files["traffic.yaml"] == "" {
		t.Fatalf("%d sessions, files %v", len(g.sessions), g.files)
	}
	follow(t, &g, "", "shows 0 "+g.sessions[0].command+"\nshows 0 belay plan -f fraud.yaml --traffic traffic.yaml\n")
}

// Whole rollouts without harm take minutes to play, so the scenarios are those that
// end soon; each is drawn by itself, so that its line is the same.
func TestTheGuideToSimulationsCanBeFollowed(t *testing.T) {
	t.Parallel()
	exact(t)
	g := readGuide(t, "simulate.md")
	if len(g.sessions) != 1 || g.files["worse-ranking.yaml"] == "" || len(g.commands) < 6 {
		t.Fatalf("%d sessions, commands %q", len(g.sessions), g.commands)
	}
	s := &g.sessions[0]
	s.shown = slices.DeleteFunc(s.shown, func(line string) bool {
		return strings.HasPrefix(line, "no-change") || strings.HasPrefix(line, "improvement") || strings.HasPrefix(line, "errors-x2 ")
	})
	script := "shows 0 " + s.command + " --scenario errors-x10 --scenario latency-p99-+20% --scenario latency-x2\n"
	for _, command := range g.commands {
		if !strings.Contains(command, "--list") {
			command += " --reps 1 --limit 5m"
		}
		script += "exec " + command + "\n"
	}
	follow(t, &g, "scenarios", script)
}

func TestTheGuideToChecksCanBeFollowed(t *testing.T) {
	t.Parallel()
	exact(t)
	g := readGuide(t, "check.md")
	if len(g.sessions) != 2 || g.sessions[0].command != "cd examples/check" {
		t.Fatalf("sessions %+v", g.sessions)
	}
	follow(t, &g, "check", "shows 1 "+g.sessions[1].command+"\n")
}

func TestWhatAPageLeavesOutIsSaid(t *testing.T) {
	t.Parallel()
	printed := []string{"a  b", "c", "d"}
	for shown, missing := range map[string]string{
		"a b\nc\nd": "", "c": "", "a b\n…\nd": "", "a b\nd": "d", "d\nc": "c", "e": "e", "…\nd": "",
	} {
		if got := firstMissing(strings.Split(shown, "\n"), printed); got != missing {
			t.Errorf("%q: %q is missing, want %q", shown, got, missing)
		}
	}
}
