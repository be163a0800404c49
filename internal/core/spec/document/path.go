package document

import (
	"strconv"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Join appends a key to a path.
func Join(path, key string) string {
	if !value.IsWord(key) {
		key = value.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Index appends a place in a list to a path.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
