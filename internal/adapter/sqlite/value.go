package sqlite

import (
	"encoding/json"
	"fmt"
	"time"
)

// encode writes a value as the JSON text that is kept.
func encode(v any) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(body), nil
}

// decode reads what encode wrote. No text at all leaves the value as it is.
func decode(text string, v any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}

// momentText keeps a moment, or NULL for the zero one.
func momentText(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseMoment reads what momentText wrote; nil is NULL.
func parseMoment(text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, *text)
}

// moment keeps a moment as nanoseconds since 1970, or 0 for the zero one.
func moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func momentOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}
