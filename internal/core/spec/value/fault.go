package value

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is why a value cannot be read and what to write instead.
type Fault struct {
	Message string
	Hint    string
}

// Error returns the sentence without a place.
func (f *Fault) Error() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "; " + f.Hint
}

// Faultf returns a Fault with what to write instead and a formatted message.
func Faultf(hint, format string, args ...any) *Fault {
	return &Fault{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Quote puts a user's text between quotes and cuts it where it is long.
func Quote(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// OrList writes "a, b or c".
func OrList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
