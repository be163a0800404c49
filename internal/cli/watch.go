package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/cli/live"
	"github.com/belay-rollouts/belay/internal/config"
)

func newWatch(s *session) *cobra.Command {
	var plain bool
	cmd := &cobra.Command{
		Use:   "watch [NAME]",
		Short: "Follow a rollout live; without a name, the decisions of all",
		Long: "Follow a rollout. On a terminal it is a live view: q quits, p pauses and resumes, r rolls back, ? lists the keys.\n" +
			"Elsewhere, and with --plain, it is one line per change; with -o json one event per line (NDJSON).\n" +
			"When the rollout ends while it is watched, the exit status says how.",
		Args: takes(0, 1, "at most the name of one rollout or model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return s.watch(cmd.Context(), name, plain)
		},
		ValidArgsFunction: s.completeRollouts,
	}
	cmd.Flags().BoolVar(&plain, "plain", false, "one line per change, on a terminal too")
	return cmd
}

func (s *session) watch(ctx context.Context, name string, plain bool) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	switch {
	case s.settings.Output == config.OutputJSON:
		return s.follow(ctx, c, name, s.eventJSON)
	case s.settings.Output != config.OutputTable && s.settings.Output != config.OutputWide:
		return usagef("watch knows -o json, and its own form; %s has no meaning for a stream", s.settings.Output)
	}
	if _, terminal := s.terminal(); terminal && !plain && name != "" {
		return s.watchLive(ctx, c, name)
	}
	lines := &changes{session: s}
	return s.follow(ctx, c, name, lines.take)
}

// follow hands on events until the rollout has ended, and ends with its status.
func (s *session) follow(ctx context.Context, c *client.Client, name string, take func(client.Event) error) error {
	var last *client.Rollout
	for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: name, OnBreak: s.breaks()}) {
		if err != nil {
			return err
		}
		if e.Status != nil {
			last = e.Status
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return ended(last)
}

// watchLive shows a rollout on the whole terminal. The last frame stays behind
// on the ordinary screen.
func (s *session) watchLive(ctx context.Context, c *client.Client, name string) error {
	// Whether there is such a rollout, and its log so far, is asked before the
	// screen changes.
	r, err := c.Status(ctx, name)
	if err != nil {
		return err
	}
	var log []client.Decision
	if r.Last != nil {
		if log, err = c.Decisions(ctx, client.DecisionRequest{Rollout: r.Name, After: -live.MaxShown, Limit: live.MaxShown}); err != nil {
			return err
		}
	}
	f := s.frame()
	last, heads, err := live.Run(ctx, live.Options{
		Client: c, Rollout: r, Log: newestFirst(log), Frame: f, Now: s.now, In: s.in, Out: s.out,
	})
	if err != nil {
		return fmt.Errorf("%w; `belay watch --plain %s` needs no terminal", err, name)
	}
	f.Now = s.now()
	if err := s.lines(f.Lines(&last, heads[:min(len(heads), recent)])); err != nil {
		return err
	}
	return ended(&last)
}

// breaks tells of a broken stream, each reason once in a row.
func (s *session) breaks() func(error) {
	last := ""
	return func(err error) {
		if text := err.Error(); text != last {
			last = text
			s.say("belay: %s; trying again", text)
		}
	}
}

// ended is the exit status of a rollout that was watched to its end. Watching
// that was broken off is no failure.
func ended(r *client.Rollout) error {
	if r == nil || !client.Final(r.Phase) {
		return nil
	}
	if status, _ := exitOf(r); status != exitDone {
		return exitError{status}
	}
	return nil
}

func (s *session) eventJSON(e client.Event) error { return s.line(e) }

// changes writes one line per change: where the rollout stands at first, each
// decision, and each alarm that comes or goes between two decisions.
type changes struct {
	*session
	begun  bool
	alarms string
	ending bool
}

func (l *changes) take(e client.Event) error {
	if e.Decision != nil {
		return l.lines([]string{logLine(e.Rollout, e.Decision, l.now())})
	}
	r := e.Status
	if r == nil {
		return nil
	}
	var out []string
	if !l.begun {
		out = append(out, standingLine(r, l.now()))
	}
	if now := alarmText(r); now != l.alarms {
		if now != "" {
			out = append(out, fmt.Sprintf("%s %s %s", frame.Clock(l.now(), l.now()), r.Name, now))
		} else if l.begun {
			out = append(out, fmt.Sprintf("%s %s all clear", frame.Clock(l.now(), l.now()), r.Name))
		}
		l.alarms = now
	}
	if client.Final(r.Phase) && !confirming(r) && !l.ending {
		l.ending = true
		out = append(out, fmt.Sprintf("%s %s %s: %s", frame.Clock(r.Ending.ConfirmedAt, l.now()), r.Name, strings.ToUpper(phaseWord(r.Phase)), frame.Ending(r.Ending)))
	}
	l.begun = true
	return l.lines(out)
}

// standingLine is a rollout in one line.
func standingLine(r *client.Rollout, now time.Time) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s at %s (stage %d of %d). %s",
		frame.Clock(now, now), r.Name, strings.ToUpper(phaseWord(r.Phase)), frame.Percent(r.Stage.AskedPercent), r.Stage.Index+1, r.Stage.Of, r.Next))
}

// alarmText is what nobody may overlook, in one line.
func alarmText(r *client.Rollout) string {
	var parts []string
	if r.Unguarded != "" {
		parts = append(parts, "UNGUARDED: "+r.Unguarded)
	}
	if r.Traffic != nil && r.Traffic.CutOff != nil {
		parts = append(parts, "CUT OFF: "+r.Traffic.CutOff.Detail)
	}
	if r.Trouble != "" {
		parts = append(parts, "TROUBLE: "+r.Trouble)
	}
	return strings.Join(parts, " ")
}

// logLine is a decision in one line.
func logLine(rollout string, d *client.DecisionHead, now time.Time) string {
	return fmt.Sprintf("%s %s #%d %s", frame.Clock(d.At, now), rollout, d.Seq, d.Sentence)
}
