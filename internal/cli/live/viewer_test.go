package live

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// inProgress is a rollout in the middle of its way.
func inProgress() client.Rollout {
	return client.Rollout{
		Name: "fraud-scorer-v7", Model: "fraud-scorer", Environment: "production", Phase: client.Progressing, StartedAt: noon.Add(-time.Hour),
		Baseline: client.Version{Version: "v6"}, Candidate: client.Version{Version: "v7"},
		Stage:   client.Stage{Of: 2, AskedPercent: 10, WeightPercent: 10, DwellSeconds: 600, LeftSeconds: 260},
		Ladder:  []client.Step{{AskedPercent: 10}, {AskedPercent: 100}},
		Traffic: &client.Traffic{WeightPercent: 10, Baseline: client.Health{State: "ready"}, Candidate: client.Health{State: "ready"}},
		Gates: []client.Gate{{
			Gate: "error_rate", Verdict: client.Undecided, Margin: "+1pp", MarginValue: new(0.01), Worse: "up",
			Bound: &client.Bound{Estimate: new(0.001), Lower: new(-0.004), Upper: new(0.02), Baseline: new(0.01), Candidate: new(0.011)},
			Total: client.Counts{CandidateExposures: 1000, BaselineExposures: 9000},
		}},
	}
}

// rolledBack is the same rollout after its end.
func rolledBack() client.Rollout {
	r := inProgress()
	r.Phase = client.RolledBack
	return r
}

// viewing is a live view without a terminal, and what it asked the server for.
func viewing(r client.Rollout) (*viewer, *[]string) {
	var asked []string
	v := &viewer{frame: frame.Frame{Width: 100}, now: func() time.Time { return noon }, rollout: &r, height: 40}
	v.act = func(kind client.ActionKind, reason string) tea.Cmd {
		asked = append(asked, strings.TrimSpace(string(kind)+" "+reason))
		return func() tea.Msg { return actedMsg{kind: kind} }
	}
	return v, &asked
}

// press types keys; a word of several letters is typed letter by letter unless
// it names a key.
func press(v *viewer, keys ...string) (last tea.Cmd) {
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "backspace": {Code: tea.KeyBackspace}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	}
	for _, key := range keys {
		if m, ok := named[key]; ok {
			_, last = v.Update(m)
			continue
		}
		for _, r := range key {
			_, last = v.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	return last
}

func TestKeysOfTheLiveView(t *testing.T) {
	t.Parallel()
	paused := inProgress()
	paused.Paused = &client.Pause{By: "mira"}
	tests := map[string]struct {
		rollout client.Rollout
		keys    []string
		asked   []string
		shows   string
	}{
		"p pauses":                             {inProgress(), []string{"p"}, []string{"pause"}, ""},
		"p resumes what is paused":             {paused, []string{"p"}, []string{"resume"}, ""},
		"p does nothing after the end":         {rolledBack(), []string{"p"}, nil, "the rollout has ended"},
		"r asks for the name first":            {inProgress(), []string{"r"}, nil, "ROLL BACK"},
		"r with the name rolls back":           {inProgress(), []string{"r", "fraud-scorer-v7", "enter"}, []string{"rollback from the live view"}, "rolling back"},
		"r with another name does not":         {inProgress(), []string{"r", "fraud-scorer", "enter"}, nil, `"fraud-scorer" is not its name; not rolled back`},
		"r with a corrected name does":         {inProgress(), []string{"r", "fraud-scorer-v8", "backspace", "7", "enter"}, []string{"rollback from the live view"}, ""},
		"esc leaves it":                        {inProgress(), []string{"r", "fraud", "esc"}, nil, "not rolled back"},
		"q within a name is a letter":          {inProgress(), []string{"r", "q"}, nil, "leave it: q_"},
		"ctrl+c within the question leaves it": {inProgress(), []string{"r", "ctrl+c"}, nil, "not rolled back"},
		"r does nothing after the end":         {rolledBack(), []string{"r"}, nil, "the rollout has ended"},
		"? lists the keys":                     {inProgress(), []string{"?"}, nil, "q quit   p pause or resume   r roll back"},
		"? again hides them":                   {inProgress(), []string{"?", "?"}, nil, "q quit  ? keys"},
		"the end is said":                      {rolledBack(), nil, nil, "it has ended; q quits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, asked := viewing(tt.rollout)
			press(v, tt.keys...)
			if diff := cmp.Diff(tt.asked, *asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if view := v.View(); !strings.Contains(view.Content, tt.shows) || !view.AltScreen {
				t.Errorf("%q is missing in:\n%s", tt.shows, view.Content)
			}
		})
	}
}

func TestTheLiveViewQuits(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"q", "ctrl+c"} {
		v, _ := viewing(inProgress())
		cmd := press(v, key)
		if cmd == nil {
			t.Fatalf("%s does nothing", key)
		}
		if _, quits := cmd().(tea.QuitMsg); !quits {
			t.Errorf("%s does not quit", key)
		}
	}
}

func TestTheLiveViewFollowsEventsAndSaysWhatFails(t *testing.T) {
	t.Parallel()
	v, _ := viewing(inProgress())
	v.measured = frame.Measure(nil, v.rollout, noon.Add(-time.Second))
	next := inProgress()
	next.Gates[0].Total.BaselineExposures += 240
	v.Update(eventMsg{Type: client.EventStatus, Status: &next})
	v.Update(eventMsg{Type: client.EventDecision, Seq: 7, Decision: &client.DecisionHead{Seq: 7, At: noon, Kind: client.DecisionHold, Sentence: "HOLD at 10%: dwelling."}})
	v.Update(eventMsg{Type: client.EventDecision, Seq: 7, Decision: &client.DecisionHead{Seq: 7, At: noon, Sentence: "again"}})
	content := v.View().Content
	for _, want := range []string{"traffic 240/s", "#7 HOLD at 10%: dwelling."} {
		if !strings.Contains(content, want) {
			t.Errorf("%q is missing in:\n%s", want, content)
		}
	}
	if strings.Contains(content, "again") {
		t.Error("a decision is shown twice")
	}
	v.Update(brokenMsg{errors.New("the server closed the stream")})
	if content := v.View().Content; !strings.Contains(content, "the server closed the stream; trying again") {
		t.Errorf("the break is not said:\n%s", content)
	}
	v.Update(eventMsg{Type: client.EventStatus, Status: &next})
	if content := v.View().Content; strings.Contains(content, "trying again") {
		t.Errorf("the break is still said after it is over:\n%s", content)
	}
	v.Update(actedMsg{client.ActPause, errors.New("refused")})
	if content := v.View().Content; !strings.Contains(content, "refused") {
		t.Errorf("the refusal is not said:\n%s", content)
	}
}

func TestTheLiveViewFitsItsTerminal(t *testing.T) {
	t.Parallel()
	v, _ := viewing(inProgress())
	for seq := range int64(30) {
		v.Update(eventMsg{Type: client.EventDecision, Seq: seq + 1, Decision: &client.DecisionHead{Seq: seq + 1, At: noon, Sentence: "HOLD."}})
	}
	if len(v.log) != MaxShown {
		t.Errorf("%d decisions are kept, want %d", len(v.log), MaxShown)
	}
	for _, height := range []int{5, 24, 80} {
		v.Update(tea.WindowSizeMsg{Width: 80, Height: height})
		if lines := strings.Count(v.View().Content, "\n") + 1; lines > height {
			t.Errorf("%d lines on a terminal of %d", lines, height)
		}
	}
}
