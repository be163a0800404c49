package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/belay-rollouts/belay/client"
)

// watchLive shows a rollout on the whole terminal until the person quits. The
// last frame stays behind on the ordinary screen.
func (s *session) watchLive(ctx context.Context, c *client.Client, name string) error {
	// Whether there is such a rollout, and its log so far, is asked before the
	// screen changes.
	r, err := c.Status(ctx, name)
	if err != nil {
		return err
	}
	var log []client.Decision
	if r.Last != nil {
		if log, err = c.Decisions(ctx, client.DecisionRequest{Rollout: r.Name, After: -maxShown, Limit: maxShown}); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	v := &viewer{frame: s.frame(), now: s.now, rollout: &r, log: newestFirst(log), measured: measure(nil, &r, s.now())}
	v.act = func(kind client.ActionKind, reason string) tea.Cmd {
		return func() tea.Msg {
			_, err := c.Act(ctx, client.ActRequest{Rollout: r.Name, Kind: kind, Reason: reason})
			return actedMsg{kind, err}
		}
	}
	program := tea.NewProgram(v, tea.WithContext(ctx), tea.WithInput(s.in), tea.WithOutput(s.out))
	done := make(chan struct{})
	go func() {
		defer close(done)
		broken := func(err error) { program.Send(brokenMsg{err}) }
		for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: r.Name, OnBreak: broken}) {
			if err != nil {
				program.Send(brokenMsg{err})
				return
			}
			program.Send(eventMsg(e))
		}
	}()
	_, err = program.Run()
	stop()
	<-done
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("show the live view: %w; `belay watch --plain %s` needs no terminal", err, name)
	}
	if err := s.lines(v.frame.lines(v.rollout, v.log[:min(len(v.log), recent)])); err != nil {
		return err
	}
	return ended(v.rollout)
}

// maxShown is how many decisions the live view keeps.
const maxShown = 20

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
	frame    frame
	now      func() time.Time
	act      func(kind client.ActionKind, reason string) tea.Cmd
	rollout  *client.Rollout
	log      []client.DecisionHead // newest first
	measured measurement
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
		v.frame.width, v.height = m.Width, m.Height
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
			v.notice = v.frame.paint.bad(m.err.Error())
		}
	}
	return v, nil
}

func (v *viewer) event(e client.Event) {
	switch {
	case e.Status != nil:
		v.measured = measure(&v.measured, e.Status, v.now())
		v.rollout = e.Status
	case e.Decision != nil && (len(v.log) == 0 || e.Seq > v.log[0].Seq):
		v.log = append([]client.DecisionHead{*e.Decision}, v.log[:min(len(v.log), maxShown-1)]...)
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
	f.now, f.perSecond, f.hint = v.now(), v.measured.perSecond, "q quit  ? keys"
	foot := v.foot()
	lines := f.lines(v.rollout, v.log)
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
		out = append(out, v.frame.paint.bad(v.broken))
	}
	if v.notice != "" {
		out = append(out, v.notice)
	}
	switch {
	case v.asking:
		return append(out, v.frame.paint.alarm(" ROLL BACK ")+" type "+v.rollout.Name+" and Enter to do it, Esc to leave it: "+v.typed+"_")
	case v.help:
		return append(out, "q quit   p pause or resume   r roll back   ? these keys", "[ ] always-valid bounds   + most likely   0 no change   ! margin   x proven harm   < > beyond the line")
	case client.Final(v.rollout.Phase):
		return append(out, "it has ended; q quits")
	}
	return out
}

// measurement is the traffic between two statuses.
type measurement struct {
	at        time.Time
	requests  float64
	perSecond float64
}

// measure counts on from an earlier measurement. The rate is smoothed a little,
// so that the number can be read.
func measure(before *measurement, r *client.Rollout, now time.Time) measurement {
	m := measurement{at: now}
	for _, g := range r.Gates {
		if !strings.HasPrefix(g.Gate, "outcome:") {
			m.requests = max(m.requests, g.Total.CandidateExposures+g.Total.BaselineExposures)
		}
	}
	if before == nil {
		return m
	}
	took := now.Sub(before.at).Seconds()
	if took < 0.5 {
		return *before
	}
	rate := max(0, m.requests-before.requests) / took
	if before.perSecond > 0 {
		rate = 0.6*before.perSecond + 0.4*rate
	}
	m.perSecond = rate
	return m
}
