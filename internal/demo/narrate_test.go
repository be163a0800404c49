package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// telling is a narrator that writes into a string.
func telling(change func(*Options)) (*narrator, *strings.Builder) {
	var out strings.Builder
	o := Options{Out: &out, Err: &out}
	if change != nil {
		change(&o)
	}
	return &narrator{opts: o, began: time.Now()}, &out
}

func TestAPipeGetsWholeLinesWithoutColours(t *testing.T) {
	t.Parallel()
	n, out := telling(nil)
	n.line(bold, "head")
	n.status("never seen")
	n.say(bad, strings.Repeat("long ", 60)+"end")
	n.warn("slow")
	want := "head\n   0.0s  " + strings.Repeat("long ", 60) + "end\nwarning: slow\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestATerminalGetsLinesThatFitAndABottomLineThatGoesAway(t *testing.T) {
	t.Parallel()
	n, out := telling(func(o *Options) { o.Live, o.Color, o.Width = true, true, 40 })
	n.status(strings.Repeat("x", 100))
	n.say(good, "a sentence that is longer than the forty columns there are")
	n.status("")
	want := clearLine + string(faint) + strings.Repeat("x", 39) + reset + clearLine +
		string(faint) + "   0.0s  " + reset + string(good) + "a sentence that is longer than" + reset + "\n" +
		string(faint) + "         " + reset + string(good) + "the forty columns there are" + reset + "\n" + clearLine + string(faint) + reset
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestFilesAreShownOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	for verbose, want := range map[bool]string{false: "", true: "         # f.yaml\n         a: 1\n         b: 2\n"} {
		n, out := telling(func(o *Options) { o.Verbose = verbose })
		n.file("f.yaml", "a: 1\nb: 2\n")
		if out.String() != want {
			t.Errorf("verbose %v: %q, want %q", verbose, out, want)
		}
	}
}

func TestWrappingKeepsEveryWordAndTheWidth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zé%.]{1,15}`), 1, 40).Draw(t, "words")
		width, indent := rapid.IntRange(29, 120).Draw(t, "width"), rapid.IntRange(0, 9).Draw(t, "indent")
		lines := wrap(strings.Join(words, " "), width, indent)
		if got := strings.Fields(strings.Join(lines, " ")); cmp.Diff(words, got) != "" {
			t.Fatalf("words %q became %q", words, got)
		}
		for _, line := range lines {
			if columns(line) > width-indent {
				t.Fatalf("%q is longer than %d columns", line, width-indent)
			}
		}
	})
}

func TestColoursTakeNoRoom(t *testing.T) {
	t.Parallel()
	n, _ := telling(func(o *Options) { o.Color = true })
	if got := columns(n.paint(good, "PASS") + " é"); got != 6 {
		t.Errorf("%d columns, want 6", got)
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := milliseconds(1234 * time.Microsecond); got != "1.2 ms" {
		t.Errorf("milliseconds: %q", got)
	}
	if got := milliseconds(30 * time.Microsecond); got != "<0.1 ms" {
		t.Errorf("a part of a millisecond: %q", got)
	}
	if got := enumerate([]string{"a", "b", "c"}); got != "a, b and c" {
		t.Errorf("an enumeration: %q", got)
	}
	if got := bar(1.5, 3); got != "[#####.....]" {
		t.Errorf("half a bar: %q", got)
	}
	if full, none := bar(4, 3), bar(0, 0); full != "[##########]" || none != full {
		t.Errorf("bars %q and %q, want both full", full, none)
	}
}
