package digits

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func load(t testing.TB) []Digit {
	t.Helper()
	all, err := Load()
	if err != nil {
		t.Fatalf("load the digits: %v", err)
	}
	return all
}

func newSplit(t testing.TB, seed uint64) Split {
	t.Helper()
	split, err := NewSplit(seed)
	if err != nil {
		t.Fatalf("split the digits: %v", err)
	}
	return split
}

// classCounts counts the digits of each class.
func classCounts(digits []Digit) (counts [Classes]int) {
	for _, digit := range digits {
		counts[digit.Label]++
	}
	return counts
}

func TestTheDataAreTheWholeDataSetInOrder(t *testing.T) {
	t.Parallel()
	all := load(t)
	if len(all) != Total {
		t.Fatalf("%d digits, want %d", len(all), Total)
	}
	// The counts by class that scikit-learn documents for load_digits.
	want := [Classes]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	if diff := cmp.Diff(want, classCounts(all)); diff != "" {
		t.Errorf("digits by class (-want +got):\n%s", diff)
	}
	first := []float32{0, 0, 5, 13, 9, 1, 0, 0}
	if diff := cmp.Diff(first, all[0].Pixels[:8]); diff != "" {
		t.Errorf("first row of the first digit (-want +got):\n%s", diff)
	}
	for i, digit := range all {
		if len(digit.Pixels) != Pixels {
			t.Errorf("digit %d has %d pixels", i, len(digit.Pixels))
		}
	}
}

func TestABrokenLineIsAnErrorWithItsPlace(t *testing.T) {
	t.Parallel()
	line := func(pixel, label string) string {
		return strings.Repeat("0,", Pixels-1) + pixel + "," + label + "\n"
	}
	good := line("16", "7")
	cases := map[string]struct{ text, want string }{
		"a pixel above 16":       {good + line("17", "1"), `read digit 2: pixel 63 is "17"`},
		"a pixel below 0":        {line("-1", "1"), `read digit 1: pixel 63 is "-1"`},
		"a pixel that is a word": {line("ink", "1"), `pixel 63 is "ink"`},
		"a label above 9":        {line("1", "10"), `label is "10"`},
		"a label that is empty":  {line("1", ""), `label is ""`},
		"a field too few":        {good + good + "1,2,3\n", "read digit 3"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if all, err := read(strings.NewReader(good)); err != nil || len(all) != 1 || all[0].Label != 7 {
		t.Errorf("the good line gives %v, %v", all, err)
	}
}

// identities names digits by where their pixels lie, which no division copies.
func identities(digits ...Digit) []*float32 {
	all := make([]*float32, len(digits))
	for i, digit := range digits {
		all[i] = &digit.Pixels[0]
	}
	return all
}

func TestEverySplitKeepsEveryDigitOnceAndAThirdOfEachClassHeldOut(t *testing.T) {
	t.Parallel()
	all := load(t)
	perClass := classCounts(all)
	rapid.Check(t, func(t *rapid.T) {
		split := divide(all, rapid.Uint64().Draw(t, "seed"))
		seen := map[*float32]bool{}
		for _, digit := range append(identities(split.Training...), identities(split.HeldOut...)...) {
			seen[digit] = true
		}
		if len(seen) != Total || len(split.Training)+len(split.HeldOut) != Total {
			t.Fatalf("%d digits in %d and %d, want each of %d once",
				len(seen), len(split.Training), len(split.HeldOut), Total)
		}
		for class, held := range classCounts(split.HeldOut) {
			if held != perClass[class]/3 {
				t.Fatalf("%d of class %d held out, want %d", held, class, perClass[class]/3)
			}
		}
	})
}

func TestTheSameSeedGivesTheSameSplitAndAnotherSeedAnother(t *testing.T) {
	t.Parallel()
	all := load(t)
	one, again, other := divide(all, 7), divide(all, 7), divide(all, 8)
	if !slices.Equal(identities(one.HeldOut...), identities(again.HeldOut...)) ||
		!slices.Equal(identities(one.Training...), identities(again.Training...)) {
		t.Error("seed 7 divides otherwise the second time")
	}
	if slices.Equal(identities(one.HeldOut...), identities(other.HeldOut...)) {
		t.Error("seeds 7 and 8 hold out the same digits")
	}
}
