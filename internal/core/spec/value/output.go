package value

import "strings"

// OutputPrefix is what the names of metrics begin with that are outputs of the
// model.
const OutputPrefix = "output:"

const (
	// maxOutput bounds the name of an output, and maxClass that of a class.
	maxOutput = 128
	maxClass  = 128
	// maxSteps bounds the parts of a pointer.
	maxSteps = 16
)

// IsPointer reports whether the name of an output is a JSON Pointer (RFC 6901),
// and not that of a tensor.
func IsPointer(output string) bool { return strings.HasPrefix(output, "/") }

// OutputFault says why a name is not that of an output, or nil.
func OutputFault(name string) *Fault {
	const hint = "write the name of an output tensor, such as output:score, or a JSON Pointer, such as output:/choices/0/score"
	switch {
	case name == "" || name == "/" || len(name) > maxOutput || !isPrintable(name) || strings.TrimSpace(name) != name:
		return Faultf(hint, "%s is not the name of an output", Quote(name))
	case !IsPointer(name):
		return nil
	case strings.Count(name, "/") > maxSteps:
		return Faultf("write at most 16 parts", "%s is too deep a place", Quote(name))
	case strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(name), "~"):
		return Faultf("write ~0 for ~ and ~1 for /", "%s has a ~ that stands for nothing", Quote(name))
	}
	return nil
}

// ParseClass reads a value that an output can have: a label, or a number.
func ParseClass(s string) (string, error) {
	if s == "" || len(s) > maxClass || !isPrintable(s) {
		return "", Faultf("write the label or the number that is counted, at most 128 bytes", "%s is not a class", Quote(s))
	}
	return s, nil
}
