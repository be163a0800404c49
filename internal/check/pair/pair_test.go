package pair_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/check/pair"
	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

func text(s string) row.Value { return row.Value{Kind: row.Text, Text: s} }
func json(s string) row.Value { return row.Value{Kind: row.Composite, Text: s} }

func TestAnswersThatAreTheSame(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a long answer ", 20)
	for name, tt := range map[string]struct {
		a, b row.Value
		want bool
	}{
		"a class":                            {text("fraud"), text("fraud"), true},
		"another class":                      {text("fraud"), text("ham"), false},
		"a class in capitals":                {text("fraud"), text("Fraud"), false},
		"a long text":                        {text(long), text(long), true},
		"a long text with another end":       {text(long), text(long + "."), false},
		"a number":                           {text("0.5"), text("0.50"), true},
		"a number of JSON and one of CSV":    {row.Value{Kind: row.Number, Text: "7"}, text("7.0"), true},
		"within the tolerance":               {text("1000000"), text("1000000.9"), true},
		"beyond the tolerance":               {text("1000000"), text("1000001.1"), false},
		"with another sign":                  {text("0.5"), text("-0.5"), false},
		"both next to nothing":               {text("1e-15"), text("-1e-14"), true},
		"small and not the same":             {text("1e-9"), text("2e-9"), false},
		"a number and a class":               {text("1"), text("one"), false},
		"not a number, twice":                {text("NaN"), text("NaN"), true},
		"no answer, twice":                   {row.Value{}, row.Value{}, false},
		"null, twice":                        {row.Value{Kind: row.Null}, row.Value{Kind: row.Null}, false},
		"no answer once":                     {text("x"), row.Value{}, false},
		"the empty answer, twice":            {text(""), text(""), true},
		"true":                               {row.Value{Kind: row.Boolean, Text: "true"}, text("true"), true},
		"an object in another order":         {json(`{"a":1,"b":[2,"x"]}`), json(`{"b":[2.0000001,"x"],"a":1}`), true},
		"an object with another number":      {json(`{"a":1}`), json(`{"a":1.1}`), false},
		"an object with more":                {json(`{"a":1}`), json(`{"a":1,"b":null}`), false},
		"an object with null":                {json(`{"a":null}`), json(`{"b":null}`), false},
		"an object with another kind":        {json(`{"a":[1]}`), json(`{"a":{"0":1}}`), false},
		"an array in another order":          {json(`[1,2]`), json(`[2,1]`), false},
		"a shorter array":                    {json(`[1,2]`), json(`[1]`), false},
		"an array as text":                   {json(`[1, 2]`), text(`[1,2]`), true},
		"a text that begins like an array":   {text("[sic"), text("[sic"), true},
		"numbers deep inside, not the same":  {json(`[[[{"a":[0.1]}]]]`), json(`[[[{"a":[0.2]}]]]`), false},
		"booleans and null in an array":      {json(`[true,null,"x"]`), json(`[true, null, "x"]`), true},
		"true for one":                       {json(`[true]`), json(`[1]`), false},
		"an object and a class like its key": {json(`{"a":1}`), text("a"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair.Read(tt.a), pair.Read(tt.b)
			if got := a.Agrees(b, 1e-6); got != tt.want {
				t.Errorf("got %v", got)
			}
			if got := b.Agrees(a, 1e-6); got != tt.want {
				t.Errorf("the other way round: %v", got)
			}
		})
	}
}

func TestWithoutToleranceNumbersAreEqualOrNot(t *testing.T) {
	t.Parallel()
	if !pair.Read(text("0.1")).Agrees(pair.Read(text("0.10")), 0) || pair.Read(text("0.1")).Agrees(pair.Read(text("0.1000000000001")), 0) {
		t.Error("a tolerance of 0 is not exact")
	}
}

func TestAnAnswerAgreesWithItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Custom(func(t *rapid.T) row.Value {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				return text(strconv.FormatFloat(rapid.Float64().Draw(t, "x"), 'g', -1, 64))
			case 1:
				return text(rapid.String().Draw(t, "s"))
			}
			return json(`{"a":[` + strconv.Itoa(rapid.Int().Draw(t, "n")) + `]}`)
		})
		a, b := v.Draw(t, "a"), v.Draw(t, "b")
		x, y := pair.Read(a), pair.Read(b)
		if !x.Agrees(x, 0) {
			t.Fatalf("%+v does not agree with itself", a)
		}
		if x.Agrees(y, 0.1) != y.Agrees(x, 0.1) {
			t.Fatalf("%+v and %+v agree in one direction", a, b)
		}
		if x.Agrees(y, 1e-9) && !x.Agrees(y, 0.1) {
			t.Fatalf("%+v and %+v agree within less, and not within more", a, b)
		}
	})
}

func put(t *testing.T, s *pair.Store, id string, arm split.Arm, values ...float64) (*pair.Partner, bool) {
	t.Helper()
	with, twice, err := s.Put(id, arm, values, pair.Held{Answer: pair.Read(text(id)), Failed: values[0] < 0})
	if err != nil {
		t.Fatal(err)
	}
	return with, twice
}

func TestRowsMeetTheirPartners(t *testing.T) {
	t.Parallel()
	s := pair.NewStore(100, 2)
	if with, twice := put(t, s, "a", split.Baseline, 1, 2); with != nil || twice {
		t.Error("the first row has a partner")
	}
	put(t, s, "b", split.Candidate, -3, 4)
	put(t, s, "c", split.Baseline, 5, 6)
	if _, twice := put(t, s, "a", split.Baseline, 7, 8); !twice {
		t.Error("a second row of one arm was taken")
	}
	with, twice := put(t, s, "a", split.Candidate, 9, 10)
	if twice || with == nil || with.Values[0] != 1 || with.Values[1] != 2 || with.Answer.Failed || !with.Answer.Agrees(pair.Read(text("a")), 0) {
		t.Errorf("partner %+v, twice %v", with, twice)
	}
	with, _ = put(t, s, "b", split.Baseline, math.NaN(), 1)
	if with == nil || with.Values[0] != -3 || !with.Answer.Failed {
		t.Errorf("partner %+v", with)
	}
	for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
		if _, twice := put(t, s, "a", arm, 1, 1); !twice {
			t.Errorf("a third row of %s was taken", arm)
		}
	}
	if got, want := s.Alone(), [split.Arms]uint64{1, 0}; got != want || s.Pairs() != 2 {
		t.Errorf("alone %v, pairs %d", got, s.Pairs())
	}
}

func TestPairingIsBounded(t *testing.T) {
	t.Parallel()
	s := pair.NewStore(3, 1)
	for _, id := range []string{"a", "b", "c"} {
		put(t, s, id, split.Baseline, 1)
	}
	_, _, err := s.Put("d", split.Baseline, []float64{1}, pair.Held{})
	if !problem.Is(err, problem.TooLarge) || !strings.Contains(err.Error(), "--max-ids") || !strings.Contains(err.Error(), "--unpaired") {
		t.Errorf("got %v", err)
	}
	// Partners need no room.
	if with, _ := put(t, s, "a", split.Candidate, 1); with == nil {
		t.Error("a partner found no room")
	}
}

func TestAnswersThatWaitAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte of addresses")
	}
	t.Parallel()
	s := pair.NewStore(1_000_000, 0)
	// The same bytes for all of them: only their number counts here.
	big := pair.Held{Answer: pair.Read(json(`["` + strings.Repeat("x", 1<<20-8) + `"]`))}
	for i := range 510 {
		if _, _, err := s.Put(strconv.Itoa(i), split.Baseline, nil, big); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	// What has found its partner takes no room any more.
	for i := range 100 {
		if with, _, err := s.Put(strconv.Itoa(i), split.Candidate, nil, big); err != nil || with == nil {
			t.Fatal(err)
		}
	}
	failed := false
	for i := range 110 {
		_, _, err := s.Put("more "+strconv.Itoa(i), split.Candidate, nil, big)
		if err != nil && (i < 95 || !problem.Is(err, problem.TooLarge)) {
			t.Fatalf("answer %d: %v", i, err)
		}
		failed = failed || err != nil
	}
	if !failed {
		t.Error("answers wait without a bound")
	}
}
