package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/config"
	"github.com/belay-rollouts/belay/internal/problem"
)

// session is one run of the program: its streams, its settings and, once it is
// asked for, its client.
type session struct {
	in       io.Reader
	out, err io.Writer
	settings config.Settings
	now      func() time.Time
}

// load reads the settings once the flags are known.
func (s *session) load(cmd *cobra.Command) error {
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	settings, err := config.Load(config.Environment(given))
	s.settings = settings
	return err
}

// client returns a client of the server that the settings name.
func (s *session) client() (*client.Client, error) {
	return client.New(client.Options{
		Server: s.settings.Server, Actor: s.actor(), Timeout: s.settings.Timeout, UserAgent: "belay",
	})
}

// actor is who asks: as the settings say, or the user of the system.
func (s *session) actor() string {
	if s.settings.Actor != "" {
		return s.settings.Actor
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// terminal returns the size of the terminal behind standard output, and false
// when there is none.
func (s *session) terminal() (columns int, ok bool) {
	f, isFile := s.out.(*os.File)
	if !isFile || !term.IsTerminal(f.Fd()) || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	columns, _, err := term.GetSize(f.Fd())
	if err != nil || columns <= 0 {
		columns = defaultWidth
	}
	return columns, true
}

// defaultWidth is the width of output to a pipe.
const defaultWidth = 100

// painter colours only a terminal, and not where NO_COLOR is set.
func (s *session) painter() frame.Painter {
	_, terminal := s.terminal()
	return frame.Painter{On: terminal && os.Getenv("NO_COLOR") == ""}
}

// frame is the frame for standard output as it is.
func (s *session) frame() frame.Frame {
	columns, ok := s.terminal()
	if !ok {
		columns = defaultWidth
	}
	return frame.Frame{Paint: s.painter(), Width: columns, Now: s.now(), Wide: s.settings.Output == config.OutputWide}
}

// say writes prose.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, format+"\n", args...) // There is nobody else to tell.
}

// complain writes an error as `belay: what; where; what to do`, with each
// mistake of a file on a line of its own before it.
func (s *session) complain(err error) {
	if _, ok := errors.AsType[exitError](err); ok {
		return
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		if len(e.Problems) == 1 && !inFile(e) {
			s.say("belay: %s", placed(client.FileProblem{Message: e.Problems[0].Message, Hint: e.Problems[0].Hint}))
			return
		}
		for _, p := range e.Problems {
			s.say("%s", placed(p))
		}
		s.say("belay: %s%s", e.Detail, advice(e))
		return
	}
	if e, ok := errors.AsType[*client.Unreachable](err); ok && !errors.Is(err, context.Canceled) {
		s.say("belay: %v; start a server with `belay serve`, or name another with --server or BELAY_SERVER", e)
		return
	}
	for _, each := range problem.List(err) {
		s.say("belay: %v", each)
	}
}

// placed is a mistake of a file as compilers write it.
func placed(p client.FileProblem) string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// advice is what to do about an error that the server could not know.
func advice(e *client.Error) string {
	switch {
	case len(e.Problems) > 0:
		return "; nothing was changed"
	case e.Code == client.CodePrecondition:
		return "; look at it again with `belay status`"
	}
	return ""
}
