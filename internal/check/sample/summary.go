package sample

import (
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/row"
)

// Column is a column that was used.
type Column struct {
	Role   column.Role `json:"role"`
	Column string      `json:"column"`
	Unit   string      `json:"unit,omitempty"`
	// Asked is true where the caller named it, and false where its name was enough.
	Asked bool `json:"asked,omitempty"`
}

// Match counts ids by whether the other arm has it too.
type Match struct {
	Pairs         uint64 `json:"pairs"`
	BaselineOnly  uint64 `json:"baselineOnly"`
	CandidateOnly uint64 `json:"candidateOnly"`
}

// String writes the column for people: latency = took (ms).
func (c Column) String() string {
	switch {
	case isSegment(c.Role):
		return "segment = " + c.Column
	case c.Column == column.RowNumber:
		return string(c.Role) + " = the number of the row"
	case c.Unit != "":
		return string(c.Role) + " = " + c.Column + " (" + c.Unit + ")"
	case string(c.Role) == c.Column:
		return c.Column
	}
	return string(c.Role) + " = " + c.Column
}

// reasons are what is wrong with a row, in words.
var reasons = map[row.Reason]string{
	row.WrongFieldCount: "not as many fields as the header has", row.TooLong: "longer than 1 MiB", row.BrokenQuotes: "a quote is never closed",
	row.NotJSON: "no JSON object", row.NotUTF8: "no UTF-8",
	row.Empty: "is empty", row.NotNumber: "is no number", row.NaN: "is NaN", row.Infinite: "is infinite", row.NotBoolean: "is neither 0 nor 1",
	UnknownArm: "names no arm", DuplicateID: "comes a second time", Negative: "is negative", TooLarge: "is too large",
	NotStatus: "is no HTTP status", NotTime: "is no time",
}

// String writes what was found for people: 3 × latency_ms is NaN (line 7, 9, 12).
func (f Fault) String() string {
	words := make([]string, 0, len(f.Lines)+1)
	for _, line := range f.Lines {
		words = append(words, strconv.Itoa(line))
	}
	if f.Count > uint64(len(f.Lines)) {
		words = append(words, "…")
	}
	what := reasons[f.Reason]
	if f.Column != "" {
		what = f.Column + " " + what
	}
	return strconv.FormatUint(f.Count, 10) + " × " + what + " (line " + strings.Join(words, ", ") + ")"
}
