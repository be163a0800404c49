package column

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Entry is a column that is used.
type Entry struct {
	Role   Role
	Column string
	// Unit is what the numbers of a duration are in.
	Unit time.Duration
	// Asked is true when the caller named the column.
	Asked bool
}

// Mapping are all columns that are used, and the names of those that are not.
type Mapping struct {
	Entries []Entry
	Unused  []string
}

// Find returns the entry of a role.
func (m Mapping) Find(r Role) (Entry, bool) {
	i := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Role == r })
	if i < 0 {
		return Entry{}, false
	}
	return m.Entries[i], true
}

// Map finds the columns of the wanted roles among the names of the files. What
// the caller asks for comes first; it must be there, unless it is a JSON pointer
// or the number of the row. A role that nothing stands for is left out.
func Map(names []string, wanted []Role, asks []Ask) (Mapping, error) {
	m := Mapping{}
	closed := map[Role]bool{}
	for _, a := range asks {
		closed[a.Role] = true
		if a.Column == "" {
			continue
		}
		if !slices.Contains(names, a.Column) && a.Column != RowNumber && !strings.HasPrefix(a.Column, "/") {
			return Mapping{}, problem.New(problem.Invalid, "there is no column %q for %s; there are %s", a.Column, a.Role, listed(names))
		}
		m.Entries = append(m.Entries, Entry{Role: a.Role, Column: a.Column, Unit: a.Unit, Asked: true})
	}
	for _, role := range wanted {
		if closed[role] {
			continue
		}
		closed[role] = true
		e, ok, err := find(names, role)
		if err != nil {
			return Mapping{}, err
		}
		if ok {
			m.Entries = append(m.Entries, e)
		}
	}
	for _, name := range names {
		if name != "" && !slices.ContainsFunc(m.Entries, func(e Entry) bool { return e.Column == name }) {
			m.Unused = append(m.Unused, name)
		}
	}
	return m, nil
}

// find looks for the column of a role.
func find(names []string, role Role) (Entry, bool, error) {
	for _, candidate := range role.candidates() {
		if slices.Contains(names, candidate) && !role.Timed() {
			return Entry{Role: role, Column: candidate}, true, nil
		}
		for _, name := range names {
			p := plain(name)
			switch {
			case p.text != plain(candidate).text:
			case !role.Timed() && p.unit == 0, role.Timed() && p.unit > 0:
				return Entry{Role: role, Column: name, Unit: p.unit}, true, nil
			case role.Timed():
				return Entry{}, false, problem.New(problem.Invalid, "column %q has no unit; write --column %s=%s:ms (or :s, :us, :ns)", name, role, name)
			}
		}
	}
	return Entry{}, false, nil
}

// mostListed is how many names an error lists.
const mostListed = 20

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	quoted := make([]string, 0, mostListed)
	for _, name := range names[:min(len(names), mostListed)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	if more := len(names) - mostListed; more > 0 {
		return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(quoted, ", ")
}
