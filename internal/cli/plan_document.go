package cli

import (
	"fmt"
	"strconv"

	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// trafficReader reads a file of --traffic:
//
//	rate: 100/s
//	baseline:
//	  error_rate: 0.5%                        as on the command line,
//	  latency_p99: {value: 120ms, p50: 40ms}  or as a map whose value is the metric's
type trafficReader struct {
	file   string
	check  judging
	wrong  spec.Problems
	rate   string
	levels []string
}

// readTraffic reads what the file says, and answers all mistakes with their places.
func readTraffic(file string, data []byte, check judging) (planner.Traffic, spec.Problems) {
	roots, wrong := document.Read(file, data)
	r := trafficReader{file: file, check: check, wrong: wrong}
	switch {
	case len(roots) == 0 && len(wrong) > 0: // It cannot be read.
	case len(roots) == 0:
		r.report(document.Position{Line: 1, Column: 1}, "the file is empty; write a rate and a baseline")
	case len(roots) > 1:
		r.report(roots[1].At, "the file has more than one document; write one")
	default:
		r.root(roots[0])
	}
	if len(r.wrong) > 0 {
		return planner.Traffic{}, r.wrong
	}
	t, err := planner.Declare(r.rate, r.levels)
	if err != nil { // What its parts say of the same thing differs.
		r.report(roots[0].At, "%v", err)
	}
	return t, r.wrong
}

func (r *trafficReader) report(at document.Position, format string, args ...any) {
	r.wrong = append(r.wrong, spec.Problem{File: r.file, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, args...)})
}

func (r *trafficReader) root(n *document.Node) {
	r.fields(n, "the file", func(e document.Entry) {
		switch e.Key {
		case "rate":
			r.readRate(e.Value)
		case "baseline":
			if e.Value.Kind != document.Null {
				r.fields(e.Value, "baseline", r.level)
			}
		default:
			hint := "a traffic has rate and baseline"
			if near := value.Nearest(e.Key, []string{"rate", "baseline"}); near != "" {
				hint = "did you mean " + strconv.Quote(near) + "?"
			}
			r.report(e.At, "unknown field %q; %s", e.Key, hint)
		}
	})
}

// fields reads the fields of a mapping. One that is there twice is told already.
func (r *trafficReader) fields(n *document.Node, what string, read func(document.Entry)) {
	if n.Kind != document.Mapping {
		r.report(n.At, "%s is %s; write a mapping (key: value)", what, n.Kind)
		return
	}
	for _, e := range n.Entries {
		read(e)
	}
}

func (r *trafficReader) readRate(n *document.Node) {
	if n.Kind != document.Scalar {
		r.report(n.At, "the rate is %s; write one such as 100/s", n.Kind)
		return
	}
	if _, err := planner.Declare(n.Text, nil); err != nil {
		r.report(n.At, "%v", err)
	}
	r.rate = n.Text
}

// level reads what a metric is at.
func (r *trafficReader) level(e document.Entry) {
	if err := r.check.name(e.Key); err != nil {
		r.report(e.At, "%v", err)
	}
	text, ok := r.levelText(e)
	if !ok {
		return
	}
	text = e.Key + "=" + text
	t, err := planner.Declare("", []string{text})
	if err != nil {
		r.report(e.Value.At, "%v", err)
		return
	}
	r.levels = append(r.levels, text)
	for _, fault := range r.check.level(e.Key, t.Levels[e.Key]) {
		r.report(e.Value.At, "%v", fault)
	}
}

// levelText is a level as the command line has it.
func (r *trafficReader) levelText(e document.Entry) (text string, ok bool) {
	n, before := e.Value, len(r.wrong)
	switch n.Kind {
	case document.Scalar:
		return n.Text, true
	case document.Mapping:
	default:
		r.report(e.At, "the baseline of %s is %s; write a value such as 5%%, or {value: 5%%, …}", e.Key, n.Kind)
		return "", false
	}
	first, rest := "", ""
	r.fields(n, "the baseline of "+e.Key, func(part document.Entry) {
		switch {
		case part.Value.Kind != document.Scalar:
			r.report(part.At, "%s of %s is %s; write a single value", part.Key, e.Key, part.Value.Kind)
		case part.Key == "value":
			first = part.Value.Text
		default:
			rest += "," + part.Key + "=" + part.Value.Text
		}
	})
	if first == "" {
		r.report(e.At, "the baseline of %s has no value; write {value: 5%%, …}", e.Key)
	}
	return first + rest, len(r.wrong) == before
}
