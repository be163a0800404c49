// Package problem carries errors across the layers as a code that a machine can
// switch on and a sentence that a person can act on.
//
// It promises that the code survives wrapping with fmt.Errorf and %w, that a
// cause stays reachable by errors.Is and errors.As, and that several problems
// can be answered at once. It never logs, and it knows nothing of HTTP statuses
// or exit statuses: each surface maps codes to its own in one table.
package problem

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of thing went wrong.
type Code string

const (
	// Invalid means that the request itself is wrong: a field, a unit, a syntax.
	Invalid Code = "invalid"
	// NotFound means that the thing named does not exist.
	NotFound Code = "not_found"
	// Conflict means that the request clashes with another one or with what is there.
	Conflict Code = "conflict"
	// Exists means that the name is taken.
	Exists Code = "exists"
	// Refused means understood, but this version or this state does not allow it.
	Refused Code = "refused"
	// Unauthorized means that the caller is unknown or may not do this.
	Unauthorized Code = "unauthorized"
	// TooLarge means that a bound of size, length or number is exceeded.
	TooLarge Code = "too_large"
	// Unavailable means that something needed cannot be reached now; trying again may help.
	Unavailable Code = "unavailable"
	// Precondition means that the caller's idea of the state (an ETag) is out of date.
	Precondition Code = "precondition"
	// Internal is the code of every error that carries none.
	Internal Code = "internal"
)

// Coder is an error of another package that knows its own code, such as a list
// of the problems of one file.
type Coder interface {
	error
	ProblemCode() Code
}

// Error is an error meant for the person who made the request.
type Error struct {
	Code    Code
	Message string
	cause   error
}

// Error returns the message; it already names the cause.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, or nil when there is none.
func (e *Error) Unwrap() error { return e.cause }

// ProblemCode returns the code.
func (e *Error) ProblemCode() Code { return e.Code }

// New returns an Error. Each %w verb in format keeps its error for errors.Is
// and errors.As; the new code hides the codes of those errors.
func New(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: causeOf(err)}
}

// causeOf returns what err wraps: nothing, one error, or (when format has
// several %w verbs, which errors.Unwrap does not see) err itself.
func causeOf(err error) error {
	if _, several := err.(interface{ Unwrap() []error }); several {
		return err
	}
	return errors.Unwrap(err)
}

// CodeOf reports the code that err or anything it wraps carries, the outermost
// one first, and Internal when there is none. It reports "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if c, ok := errors.AsType[Coder](err); ok {
		return c.ProblemCode()
	}
	return Internal
}

// Is reports whether err carries code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// joined is several problems that are answered at once.
type joined struct {
	code Code
	errs []error
}

// Error returns the sentences of all problems, one a line.
func (j *joined) Error() string {
	lines := make([]string, len(j.errs))
	for i, err := range j.errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems for errors.Is and errors.As.
func (j *joined) Unwrap() []error { return j.errs }

// ProblemCode returns the code of the whole.
func (j *joined) ProblemCode() Code { return j.code }

// Join makes one error of several. It leaves out nils, returns nil when nothing
// is left, and flattens what was joined before. The code of the whole is the
// code of the first problem, unless one of them is Internal: a fault of ours
// must not hide behind a mistake of the caller.
func Join(errs ...error) error {
	var all []error
	for _, err := range errs {
		all = append(all, List(err)...)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	code := CodeOf(all[0])
	for _, err := range all {
		if CodeOf(err) == Internal {
			code = Internal
		}
	}
	return &joined{code: code, errs: all}
}

// List returns the problems that Join made one of, in their order; err itself
// when it is a single one, and nothing for nil.
func List(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(*joined); ok { //nolint:errorlint // A wrapped list is one problem: its sentence has a frame.
		return j.errs
	}
	return []error{err}
}
