package upstream

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// Kind says how a version failed.
type Kind string

// The kinds of failure.
const (
	Refused   Kind = "refused"   // nobody listens
	Connect   Kind = "connect"   // no connection for another reason
	Timeout   Kind = "timeout"   // no answer in time, or silence within one
	Broken    Kind = "broken"    // the connection broke before the head of an answer
	Malformed Kind = "malformed" // the answer was no HTTP, or its head too long
	Cut       Kind = "cut"       // the answer ended before its end
	Cancelled Kind = "cancelled" // the caller went away
	Unsent    Kind = "unsent"    // the caller's body could not be read
)

// Failure is an error of sending a request or of reading its answer.
type Failure struct {
	Kind  Kind
	cause error
}

// Error names the kind and the cause.
func (f *Failure) Error() string { return string(f.Kind) + ": " + f.cause.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.cause }

// KindOf returns the kind of a Failure, and "" for any other error.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Kind
	}
	return ""
}

// NotSent is the Failure of a request whose caller did not send its body.
func NotSent(cause error) error { return &Failure{Kind: Unsent, cause: cause} }

// failed makes a Failure of an error met while a request was under way;
// otherwise is its kind unless the error or ctx says something better.
func failed(ctx context.Context, err error, otherwise Kind) error {
	if _, named := errors.AsType[*Failure](err); named {
		return err
	}
	return &Failure{Kind: kindOf(ctx, err, otherwise), cause: err}
}

func kindOf(ctx context.Context, err error, otherwise Kind) Kind {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Timeout
	case ctx.Err() != nil:
		return Cancelled
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return Timeout
	}
	return otherwise
}

// dialFailed makes a Failure of an error met while connecting.
func dialFailed(ctx context.Context, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &Failure{Kind: Refused, cause: err}
	}
	return &Failure{Kind: kindOf(ctx, err, Connect), cause: err}
}

func malformed(what string) error { return &Failure{Kind: Malformed, cause: errors.New(what)} }
