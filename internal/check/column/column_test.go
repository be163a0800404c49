package column_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestColumnsAreFoundByTheirNames(t *testing.T) {
	t.Parallel()
	const ms, s, us, ns = time.Millisecond, time.Second, time.Microsecond, time.Nanosecond
	for name, tt := range map[string]struct {
		names string
		role  column.Role
		want  column.Entry // without a column: it is not found
	}{
		"as it is":                             {"status,error", column.Error, column.Entry{Column: "error"}},
		"in capitals":                          {"Status", column.Status, column.Entry{Column: "Status"}},
		"in one word":                          {"statusCode", column.Status, column.Entry{Column: "statusCode"}},
		"with blanks":                          {"HTTP Status", column.Status, column.Entry{Column: "HTTP Status"}},
		"the more certain of two":              {"user_id,unit", column.Unit, column.Entry{Column: "unit"}},
		"the exact one of two":                 {"Error,error", column.Error, column.Entry{Column: "error"}},
		"by another word":                      {"request_id", column.ID, column.Entry{Column: "request_id"}},
		"not a part of a word":                 {"errors,terror", column.Error, column.Entry{}},
		"a latency in milliseconds":            {"latency_ms", column.Latency, column.Entry{Column: "latency_ms", Unit: ms}},
		"a latency in one word":                {"latencyMs", column.Latency, column.Entry{Column: "latencyMs", Unit: ms}},
		"a latency in brackets":                {"Response time (s)", column.Latency, column.Entry{Column: "Response time (s)", Unit: s}},
		"a latency in words":                   {"duration.seconds", column.Latency, column.Entry{Column: "duration.seconds", Unit: s}},
		"a latency in microseconds":            {"elapsed_us", column.Latency, column.Entry{Column: "elapsed_us", Unit: us}},
		"the time to the first token":          {"ttft_ns", column.TTFT, column.Entry{Column: "ttft_ns", Unit: ns}},
		"an outcome by its metric":             {"outcome:paid", "outcome:paid", column.Entry{Column: "outcome:paid"}},
		"an outcome with an underscore":        {"outcome_paid", "outcome:paid", column.Entry{Column: "outcome_paid"}},
		"an outcome by its name alone":         {"paid", "outcome:paid", column.Entry{Column: "paid"}},
		"an outcome before a name":             {"paid,outcome:paid", "outcome:paid", column.Entry{Column: "outcome:paid"}},
		"an output":                            {"score", "output:score", column.Entry{Column: "score"}},
		"any other metric":                     {"tokens_per_second", "tokens_per_second", column.Entry{Column: "tokens_per_second"}},
		"a number of seconds is no plain name": {"error_s", column.Error, column.Entry{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := column.Map(strings.Split(tt.names, ","), []column.Role{tt.role}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := m.Find(tt.role)
			if tt.want.Column != "" {
				tt.want.Role = tt.role
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want.Column != "") {
				t.Errorf("found %v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestALatencyWithoutAUnitIsNotGuessed(t *testing.T) {
	t.Parallel()
	_, err := column.Map([]string{"Latency"}, []column.Role{column.Latency}, nil)
	if err == nil || !strings.Contains(err.Error(), `--column latency=Latency:ms`) || !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
	// Nobody asks for it: it is no matter.
	if _, err := column.Map([]string{"latency"}, []column.Role{column.Error}, nil); err != nil {
		t.Error(err)
	}
}

func TestWhatIsAskedForComesFirst(t *testing.T) {
	t.Parallel()
	ask := func(texts ...string) (asks []column.Ask) {
		for _, text := range texts {
			a, err := column.ParseAsk(text)
			if err != nil {
				t.Fatal(err)
			}
			asks = append(asks, a)
		}
		return asks
	}
	names := []string{"id", "latency", "took", "error", "answer", ""}
	wanted := []column.Role{column.ID, column.Latency, column.Error, column.Output, column.Error}
	m, err := column.Map(names, wanted, ask("latency=took:s", "id=", "error=/a/b", "output=#"))
	if err != nil {
		t.Fatal(err)
	}
	want := column.Mapping{
		Entries: []column.Entry{
			{Role: column.Latency, Column: "took", Unit: time.Second, Asked: true},
			{Role: column.Error, Column: "/a/b", Asked: true},
			{Role: column.Output, Column: column.RowNumber, Asked: true},
		},
		Unused: []string{"id", "latency", "error", "answer"},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
	if _, err := column.Map(names, wanted, ask("error=erro")); err == nil || !strings.Contains(err.Error(), `no column "erro" for error; there are "id", "latency"`) {
		t.Errorf("a column that is not there: %v", err)
	}
}

func TestAnErrorListsNotAllOfManyNames(t *testing.T) {
	t.Parallel()
	names := strings.Split(strings.Repeat("x,", 1000)+"y", ",")
	_, err := column.Map(names, nil, []column.Ask{{Role: column.Error, Column: "z"}})
	if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "and 981 more") {
		t.Errorf("got %v", err)
	}
	if _, err := column.Map(nil, nil, []column.Ask{{Role: column.Error, Column: "z"}}); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("got %v", err)
	}
}

func TestAsks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		ask column.Ask
		err string
	}{
		"error=failed":        {ask: column.Ask{Role: column.Error, Column: "failed"}},
		"id=":                 {ask: column.Ask{Role: column.ID}},
		"latency=":            {ask: column.Ask{Role: column.Latency}},
		"output=a=b":          {ask: column.Ask{Role: column.Output, Column: "a=b"}},
		"outcome:paid=is:ms":  {ask: column.Ask{Role: "outcome:paid", Column: "is:ms"}},
		"latency=took:ms":     {ask: column.Ask{Role: column.Latency, Column: "took", Unit: time.Millisecond}},
		"ttft=a:b:us":         {ask: column.Ask{Role: column.TTFT, Column: "a:b", Unit: time.Microsecond}},
		"latency=latency_ms":  {ask: column.Ask{Role: column.Latency, Column: "latency_ms", Unit: time.Millisecond}},
		"latency=took":        {err: "has no unit"},
		"latency=took:hours":  {err: `"hours" is no unit of time`},
		"latency":             {err: "write ROLE=COLUMN"},
		"=took":               {err: "write ROLE=COLUMN"},
		"  error  =failed":    {ask: column.Ask{Role: column.Error, Column: "failed"}},
		"itl=between (ns):ns": {ask: column.Ask{Role: column.ITL, Column: "between (ns)", Unit: time.Nanosecond}},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := column.ParseAsk(text)
			if want.err != "" {
				if err == nil || !strings.Contains(err.Error(), want.err) || !problem.Is(err, problem.Invalid) {
					t.Errorf("got %v, want %q", err, want.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.ask, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
