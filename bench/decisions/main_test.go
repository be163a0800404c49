package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/report"
)

// A small contest holds the bounds that the full one is for: `make bench-decisions`.
func TestASmallContestHoldsItsBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("a long simulation")
	}
	t.Parallel()
	names := "technical,daily,bursts,sticky,shared-incident,business,errors-at-the-margin,latency-at-the-margin," +
		"errors-x2,errors-x5,errors-+20pp,latency-x2,latency-tail-x3,sticky-x5,conversion--50%,quality--10pp"
	cases, err := chosen(names)
	if err != nil {
		t.Fatal(err)
	}
	var cells []contest.Cell
	err = contest.Run(t.Context(), contest.Options{
		Cases: cases, Rates: []int{6000}, Seed: 7, Workers: 2,
		Reps: func(c corpus.Class) int { return times(c, 3) }, Others: func(corpus.Class) int { return 1 },
		Done: func(c contest.Cell) error {
			cells = append(cells, c)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := report.Results{Cells: cells, Possible: contest.NewForecast().Possible}
	for _, c := range r.Claims() {
		if !c.Holds {
			t.Errorf("%s: %s (%v)", c.Text, c.Measured, c.Broken)
		}
	}
}

func TestAPageIsWrittenAndWhatIsKeptIsNotPlayedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "cells.jsonl")
	args := []string{"-reps", "2", "-others", "1", "-only", "errors-+20pp,latency-x2", "-rates", "60000", "-out", dir, "-keep", kept, "-workers", "1"}
	var first, again strings.Builder
	for _, progress := range []*strings.Builder{&first, &again} {
		if err := run(t.Context(), args, io.Discard, progress); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, "decisions.md"))
		if err != nil || !strings.Contains(string(page), "errors-+20pp") {
			t.Fatalf("page: %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "decisions-harm.svg")); err != nil {
			t.Error(err)
		}
		if progress == &first {
			if err := os.WriteFile(filepath.Join(dir, "first.md"), page, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if before, _ := os.ReadFile(filepath.Join(dir, "first.md")); string(before) != string(page) {
			t.Error("the page of what was kept is another")
		}
	}
	if strings.Count(first.String(), "\n") != 2 || again.Len() > 0 {
		t.Errorf("first:\n%sagain:\n%s", &first, &again)
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a case that is not there": {"-only", "errors-x6"},
		"a rate that is not there": {"-rates", "700"},
		"no number":                {"-rates", "many"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestAClassChoosesItsCases(t *testing.T) {
	t.Parallel()
	got, err := chosen("at the margin,errors-x2")
	if err != nil || len(got) < 5 {
		t.Errorf("%d cases, %v", len(got), err)
	}
}

func TestCellsOfAnotherRunAreNotTakenForThisOne(t *testing.T) {
	t.Parallel()
	kept := filepath.Join(t.TempDir(), "cells.jsonl")
	args := []string{"-reps", "1", "-others", "0", "-only", "errors-+20pp", "-rates", "60000", "-out", "", "-keep", kept, "-seed"}
	if err := run(t.Context(), append(args, "1"), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), append(args, "2"), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("%v", err)
	}
}
