package preflight

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// metadata is what a model says of itself (Open Inference Protocol, model
// metadata).
type metadata struct {
	Inputs  []tensor `json:"inputs"`
	Outputs []tensor `json:"outputs"`
}

type tensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// compare names every difference between two signatures.
func compare(baseline, candidate *metadata) []string {
	return append(tensors("input", baseline.Inputs, candidate.Inputs), tensors("output", baseline.Outputs, candidate.Outputs)...)
}

// tensors compares tensors by name; their order says nothing.
func tensors(kind string, baseline, candidate []tensor) []string {
	var out []string
	for _, b := range baseline {
		i := slices.IndexFunc(candidate, func(c tensor) bool { return c.Name == b.Name })
		if i < 0 {
			out = append(out, fmt.Sprintf("%s %q is missing", kind, b.Name))
			continue
		}
		c := candidate[i]
		if c.Datatype != b.Datatype {
			out = append(out, fmt.Sprintf("%s %q has datatype %s instead of %s", kind, b.Name, c.Datatype, b.Datatype))
		}
		if !fits(b.Shape, c.Shape) {
			out = append(out, fmt.Sprintf("%s %q has shape %v instead of %v", kind, b.Name, c.Shape, b.Shape))
		}
	}
	for _, c := range candidate {
		if !slices.ContainsFunc(baseline, func(b tensor) bool { return b.Name == c.Name }) {
			out = append(out, fmt.Sprintf("%s %q is new", kind, c.Name))
		}
	}
	return out
}

// fits reports whether two shapes may be the same: -1 stands for any size.
func fits(a, b []int64) bool {
	return slices.EqualFunc(a, b, func(x, y int64) bool { return x == y || x == -1 || y == -1 })
}

// maxListed bounds the differences that a message names.
const maxListed = 20

func list(differences []string) string {
	if n := len(differences) - maxListed; n > 0 {
		differences = append(differences[:maxListed:maxListed], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(differences, "; ")
}

func join(path []string) string { return "/" + strings.Join(path, "/") }

// short takes out of a client's error what the message says anyway: the method,
// the URL and how a connection is opened.
func short(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		if why, ok := errors.AsType[syscall.Errno](op.Err); ok {
			return why
		}
		return op.Err
	}
	return err
}
