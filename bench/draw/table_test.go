package draw

import "testing"

func TestATableHasItsNumbersAtTheRight(t *testing.T) {
	t.Parallel()
	table := NewTable("rule", "cells")
	table.Row("z-test", "4")
	want := "| rule | cells |\n|---|---:|\n| z-test | 4 |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNumbersAreWrittenInGroups(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123456: "-123,456", -12: "-12"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
