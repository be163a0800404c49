package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
)

const (
	// maxLine bounds one line of a file of outcomes.
	maxLine = 64 << 10
	// batch is how many outcomes are sent at once.
	batch = 1000
)

func newOutcome(s *session) *cobra.Command {
	var o client.Outcome
	var file, at string
	var covariate float64
	cmd := &cobra.Command{
		Use:   "outcome",
		Short: "Report what became of predictions",
		Long: "Report one outcome by flags, or many by a file with one JSON object a line (`-f -` reads standard input).\n" +
			"Each counts once by its id, however often it is sent. An outcome is for the prediction whose answer carried\n" +
			"its Belay-Assignment, or for a model's unit at a time.",
		Example: "  belay outcome --assignment AcV… --metric correct --value 1 --id order-4711\n" +
			"  belay outcome --model shop --unit user-17 --metric revenue --value 12.5 --id order-4712\n" +
			`  echo '{"id":"order-4711","assignment":"AcV…","metric":"correct","value":1}' | belay outcome -f -`,
		Args: takes(0, 0, "flags, or a file with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				return s.outcomeFile(cmd.Context(), file)
			}
			if cmd.Flags().Changed("covariate") {
				o.Covariate = &covariate
			}
			if err := oneOutcome(&o, at); err != nil {
				return err
			}
			return s.report(cmd.Context(), func(send func(int, client.Outcome) error) error { return send(0, o) }, "")
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "filename", "f", "", "`file` of outcomes, one JSON object a line; - for standard input")
	f.StringVar(&o.ID, "id", "", "your own `name` for the outcome")
	f.StringVar(&o.Assignment, "assignment", "", "the `token` of the answer's Belay-Assignment")
	f.StringVar(&o.Model, "model", "", "the `model`, without a token")
	f.StringVar(&o.Unit, "unit", "", "the `unit`'s key, without a token")
	f.StringVar(&at, "time", "", "`when` it happened (RFC 3339; default now)")
	f.StringVar(&o.Metric, "metric", "", "the outcome's `name`: NAME of a gate outcome:NAME")
	f.Float64Var(&o.Value, "value", math.NaN(), "its `value`: 0 or 1 for a rate, any number for a mean")
	f.Float64Var(&covariate, "covariate", math.NaN(), "a `number` that was known before the request, for a gate with a covariate")
	f.Lookup("covariate").DefValue = ""
	f.Lookup("value").DefValue = "" // There is none: a value must be said.
	return cmd
}

// oneOutcome checks the flags of a single outcome.
func oneOutcome(o *client.Outcome, at string) error {
	switch {
	case o.Metric == "" || math.IsNaN(o.Value):
		return usagef("an outcome needs --metric and --value, or a file with -f")
	case o.Covariate != nil && (math.IsNaN(*o.Covariate) || math.IsInf(*o.Covariate, 0)):
		return usagef("--covariate is %v; write a number", *o.Covariate)
	case math.IsInf(o.Value, 0):
		return usagef("--value is %v; write a number, 1 or 0 for a rate", o.Value)
	case o.ID == "":
		return usagef("an outcome needs an --id of your own: the same id counts once, however often it is sent")
	case o.Assignment == "" && (o.Model == "" || o.Unit == ""):
		return usagef("say which prediction is meant: --assignment, or --model with --unit")
	case at != "":
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return usagef("--time is %q; write one such as 2026-11-23T14:27:41Z", at)
		}
		o.Time = t
	}
	return nil
}

// outcomeFile reports a file line by line, so that its size does not matter.
func (s *session) outcomeFile(ctx context.Context, file string) error {
	in, name := s.in, "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return usageError{err}
		}
		defer f.Close() //nolint:errcheck // It was only read.
		in, name = f, file
	}
	return s.report(ctx, func(send func(int, client.Outcome) error) error { return eachLine(in, name, send) }, name)
}

// eachLine decodes one outcome a line. Empty lines are nothing.
func eachLine(in io.Reader, name string, send func(int, client.Outcome) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		// A value that is missing must not count as 0.
		var o struct {
			client.Outcome
			Value *float64 `json:"value"`
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return usagef("%s:%d: %w; write one object a line, such as "+`{"id":"a","assignment":"…","metric":"correct","value":1}`, name, n, err)
		}
		if o.Value == nil {
			return usagef("%s:%d: value is missing; write a number, 1 or 0 for a rate", name, n)
		}
		o.Outcome.Value = *o.Value
		if err := send(n, o.Outcome); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return usagef("%s:%d: the line is longer than %d bytes; write one outcome a line", name, n+1, maxLine)
	}
	return lines.Err()
}

// report sends outcomes in batches and shows what was made of them. A mistake
// in the file stops it; what was sent before counts.
func (s *session) report(ctx context.Context, outcomes func(send func(int, client.Outcome) error) error, name string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	total := client.OutcomeResult{Refused: []client.Refusal{}}
	var held []client.Outcome
	var lines []int
	flush := func() error {
		if len(held) == 0 {
			return nil
		}
		result, err := c.Outcomes(ctx, held)
		if err != nil {
			return err
		}
		s.refused(result.Refused, lines, name)
		add(&total, result)
		held, lines = held[:0], lines[:0]
		return nil
	}
	err = outcomes(func(line int, o client.Outcome) error {
		held, lines = append(held, o), append(lines, line)
		if len(held) < batch {
			return nil
		}
		return flush()
	})
	if stopped := flush(); err == nil || stopped != nil {
		err = stopped
	}
	if err != nil {
		if total.Accepted+total.Repeated+total.Unattributed > 0 {
			s.say("belay: %s were taken before that; sending them again does no harm", frame.Things(total.Accepted+total.Repeated+total.Unattributed, "outcome"))
		}
		return err
	}
	if err := s.show(reported(total)); err != nil {
		return err
	}
	if len(total.Refused) > 0 {
		return exitError{exitFailure}
	}
	return nil
}

// refused names the outcomes that were refused, by their lines.
func (s *session) refused(all []client.Refusal, lines []int, name string) {
	for _, x := range all {
		if name != "" && x.Index < len(lines) {
			s.say("belay: %s:%d: outcome %q was refused: %s", name, lines[x.Index], x.ID, x.Reason)
			continue
		}
		s.say("belay: outcome %q was refused: %s", x.ID, x.Reason)
	}
}

func add(total *client.OutcomeResult, r client.OutcomeResult) {
	total.Accepted += r.Accepted
	total.Repeated += r.Repeated
	total.Unattributed += r.Unattributed
	total.Refused = append(total.Refused, r.Refused...)
	for why, n := range r.Why {
		if total.Why == nil {
			total.Why = map[string]int{}
		}
		total.Why[why] += n
	}
}

func reported(r client.OutcomeResult) shown {
	return shown{data: r, name: func() []string { return nil }, table: func(bool) []string {
		var text strings.Builder
		fmt.Fprintf(&text, "%d accepted, %d repeated, %d unattributed, %d refused", r.Accepted, r.Repeated, r.Unattributed, len(r.Refused))
		for _, why := range []string{"NoRollout", "NoExposure", "Pinned", "NotCompared", "TooLate", "NoGate"} {
			if n := r.Why[why]; n > 0 {
				fmt.Fprintf(&text, "; %s %d", why, n)
			}
		}
		return []string{text.String()}
	}}
}
