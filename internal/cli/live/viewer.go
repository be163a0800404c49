// Package live is the view of one rollout that moves while one looks: `watch` on
// a terminal.
//
// It follows the rollout's events and takes a few keys. What moves traffic is
// asked of the server like any act; a rollback asks for the rollout's name
// first. A server that is away is said at the bottom, and the last known state
// stays. It holds no rules and keeps nothing.
package live

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
)

// Options are what a view needs.
type Options struct {
	Client  *client.Client
	Rollout client.Rollout        // how it stands at first
	Log     []client.DecisionHead // newest first
	Frame   frame.Frame
	Now     func() time.Time
	In      io.Reader
	Out     io.Writer
}

// Run shows a rollout on the whole terminal until the person quits or ctx ends.
// It returns how the rollout stood then, and its log, newest first.
func Run(ctx context.Context, o Options) (client.Rollout, []client.DecisionHead, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r, c := &o.Rollout, o.Client
	v := &viewer{frame: o.Frame, now: o.Now, rollout: r, log: o.Log, measured: frame.Measure(nil, r, o.Now())}
	v.act = func(kind client.ActionKind, reason string) tea.Cmd {
		return func() tea.Msg {
			_, err := c.Act(ctx, client.ActRequest{Rollout: r.Name, Kind: kind, Reason: reason})
			return actedMsg{kind, err}
		}
	}
	program := tea.NewProgram(v, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out))
	done := make(chan struct{})
	go func() {
		defer close(done)
		broken := func(err error) { program.Send(brokenMsg{err}) }
		for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: o.Rollout.Name, OnBreak: broken}) {
			if err != nil {
				program.Send(brokenMsg{err})
				return
			}
			program.Send(eventMsg(e))
		}
	}()
	_, err := program.Run()
	over := ctx.Err() != nil
	stop()
	<-done
	if err != nil && !over {
		return *v.rollout, v.log, fmt.Errorf("show the live view: %w", err)
	}
	return *v.rollout, v.log, nil
}

// MaxShown is how many decisions a view keeps.
const MaxShown = 20

type (
	eventMsg  client.Event
	brokenMsg struct{ err error }
	actedMsg  struct {
		kind client.ActionKind
		err  error
	}
	tickMsg time.Time
)

// viewer is the state of the live view.
type viewer struct {
	frame    frame.Frame
	now      func() time.Time
	act      func(kind client.ActionKind, reason string) tea.Cmd
	rollout  *client.Rollout
	log      []client.DecisionHead // newest first
	measured frame.Measurement
	height   int

	notice string // what became of the last key
	broken string // why the stream is being taken up again
	help   bool
	asking bool   // whether to roll back
	typed  string // the name so far
}

var _ tea.Model = (*viewer)(nil)

// Init implements tea.Model.
func (v *viewer) Init() tea.Cmd { return tick() }

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Update implements tea.Model.
func (v *viewer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		v.frame.Width, v.height = m.Width, m.Height
	case tea.KeyPressMsg:
		if v.asking {
			return v, v.answer(m)
		}
		return v, v.key(m.String())
	case tickMsg:
		return v, tick()
	case eventMsg:
		v.broken = ""
		v.event(client.Event(m))
	case brokenMsg:
		v.broken = m.err.Error() + "; trying again"
	case actedMsg:
		v.notice = string(m.kind) + " done"
		if m.err != nil {
			v.notice = v.frame.Paint.Bad(m.err.Error())
		}
	}
	return v, nil
}

func (v *viewer) event(e client.Event) {
	switch {
	case e.Status != nil:
		v.measured = frame.Measure(&v.measured, e.Status, v.now())
		v.rollout = e.Status
	case e.Decision != nil && (len(v.log) == 0 || e.Seq > v.log[0].Seq):
		v.log = append([]client.DecisionHead{*e.Decision}, v.log[:min(len(v.log), MaxShown-1)]...)
	}
}

// key does what a key stands for.
func (v *viewer) key(key string) tea.Cmd {
	v.notice = ""
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "?":
		v.help = !v.help
	case "p":
		switch {
		case client.Final(v.rollout.Phase):
			v.notice = "the rollout has ended"
		case v.rollout.Paused != nil:
			return v.act(client.ActResume, "")
		default:
			return v.act(client.ActPause, "")
		}
	case "r":
		if client.Final(v.rollout.Phase) {
			v.notice = "the rollout has ended"
			return nil
		}
		v.asking, v.typed = true, ""
	}
	return nil
}

// answer takes the name that confirms a rollback.
func (v *viewer) answer(m tea.KeyPressMsg) tea.Cmd {
	switch m.String() {
	case "esc", "ctrl+c":
		v.asking, v.notice = false, "not rolled back"
	case "backspace":
		v.typed = v.typed[:max(0, len(v.typed)-1)]
	case "enter":
		v.asking = false
		if v.typed != v.rollout.Name {
			v.notice = fmt.Sprintf("%q is not its name; not rolled back", v.typed)
			return nil
		}
		v.notice = "rolling back"
		return v.act(client.ActRollback, "from the live view")
	default:
		if text := m.Key().Text; len(v.typed)+len(text) <= 253 {
			v.typed += text
		}
	}
	return nil
}

// View implements tea.Model.
func (v *viewer) View() tea.View {
	f := v.frame
	f.Now, f.PerSecond, f.Hint = v.now(), v.measured.PerSecond, "q quit  ? keys"
	foot := v.foot()
	lines := f.Lines(v.rollout, v.log)
	if room := v.height - len(foot) - 1; v.height > 0 && len(lines) > room {
		lines = lines[:max(0, room)]
	}
	lines = append(append(lines, ""), foot...)
	view := tea.NewView(strings.Join(lines, "\n"))
	view.AltScreen = true
	view.WindowTitle = "belay " + v.rollout.Name + " " + string(v.rollout.Phase)
	return view
}

// foot is the line of the keys, of a question or of a notice.
func (v *viewer) foot() []string {
	var out []string
	if v.broken != "" {
		out = append(out, v.frame.Paint.Bad(v.broken))
	}
	if v.notice != "" {
		out = append(out, v.notice)
	}
	switch {
	case v.asking:
		return append(out, v.frame.Paint.Alarm(" ROLL BACK ")+" type "+v.rollout.Name+" and Enter to do it, Esc to leave it: "+v.typed+"_")
	case v.help:
		return append(out, "q quit   p pause or resume   r roll back   ? these keys", "[ ] always-valid bounds   + most likely   0 no change   ! margin   x proven harm   < > beyond the line")
	case client.Final(v.rollout.Phase):
		return append(out, "it has ended; q quits")
	}
	return out
}
