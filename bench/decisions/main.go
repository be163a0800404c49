// Command decisions compares Belay's decisions with those that other tools would
// make on the same traffic, and writes docs/benchmarks/decisions.md with its
// figures. See the packages below it, and `make bench-decisions`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/bench/decisions/contest"
	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/report"
	"github.com/belay-rollouts/belay/bench/decisions/rule"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "decisions:", err)
		os.Exit(1) //nolint:forbidigo // This is a command, though not one of the product.
	}
}

// settings are the flags.
type settings struct {
	reps, others, workers int
	seed                  uint64
	only, rates           string
	out, kept             string
	limit                 time.Duration
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("decisions", flag.ContinueOnError)
	f.IntVar(&s.reps, "reps", 100, "how often Belay plays each regression at each rate; no change and margins twice as often")
	f.IntVar(&s.others, "others", 30, "how often all other rules play each case")
	f.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "how many cells are played beside each other")
	f.Uint64Var(&s.seed, "seed", 1, "where all chance comes from")
	f.StringVar(&s.only, "only", "", "play only these cases or classes, by name, divided by commas")
	f.StringVar(&s.rates, "rates", "", "play only these rates, in requests a minute, divided by commas")
	f.StringVar(&s.out, "out", "docs/benchmarks", "the folder of the page; empty writes none")
	f.StringVar(&s.kept, "keep", "", "a file of cells that are complete: what is in it is not played again")
	f.DurationVar(&s.limit, "limit", 2*time.Hour, "when to stop; what is complete is written")
	return s, f.Parse(args)
}

// run plays, writes the page and says on out which claims hold.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	cases, err := chosen(s.only)
	if err != nil {
		return err
	}
	rates, err := ratesOf(s.rates)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	cells, err := s.play(ctx, cases, rates, progress)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		fmt.Fprintf(progress, "stopped after %d cells: %v\n", len(cells), err)
	}
	return s.write(out, cells)
}

// chosen returns the cases of a list of names and classes; all where it is empty.
func chosen(only string) ([]corpus.Case, error) {
	all := corpus.Cases()
	if only == "" {
		return all, nil
	}
	var out []corpus.Case
	for name := range strings.SplitSeq(only, ",") {
		found := false
		for _, c := range all {
			if c.Name == name || string(c.Class) == name {
				out, found = append(out, c), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no case or class named %q", name)
		}
	}
	return out, nil
}

func ratesOf(list string) ([]int, error) {
	if list == "" {
		return corpus.Rates, nil
	}
	var out []int
	for text := range strings.SplitSeq(list, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || !slices.Contains(corpus.Rates, rate) {
			return nil, fmt.Errorf("rate %q: write one of %v", text, corpus.Rates)
		}
		out = append(out, rate)
	}
	return out, nil
}

// play plays what is not kept, and keeps it.
func (s *settings) play(ctx context.Context, cases []corpus.Case, rates []int, progress io.Writer) ([]contest.Cell, error) {
	cells, file, err := s.keep()
	if err != nil {
		return nil, err
	}
	if file != nil {
		defer file.Close() //nolint:errcheck // Each line was checked.
	}
	began, total := time.Now(), len(cases)*len(rates)
	err = contest.Run(ctx, contest.Options{
		Cases: cases, Rates: rates, Seed: s.seed, Workers: s.workers, Known: cells,
		Reps:   func(c corpus.Class) int { return times(c, s.reps) },
		Others: func(c corpus.Class) int { return min(s.others, times(c, s.reps)) },
		Done: func(c contest.Cell) error {
			cells = append(cells, c)
			own := c.Rules[contest.BelayName]
			fmt.Fprintf(progress, "%4d/%d %6s  %-28s %6d/min  rolled back %3d, promoted %3d, held %3d of %d\n",
				len(cells), total, time.Since(began).Round(time.Second), c.Case, c.Rate, own.RolledBack, own.Promoted, own.Held, own.Reps)
			if file == nil {
				return nil
			}
			return json.NewEncoder(file).Encode(c)
		},
	})
	inOrder(cells)
	return cells, err
}

// times is how often Belay plays a case of a class: rates of wrong decisions need
// more repetitions than shares that are near one.
func times(class corpus.Class, reps int) int {
	switch class {
	case corpus.NoChange, corpus.AtMargin:
		return 2 * reps
	case corpus.Harm, corpus.Reported, corpus.Drift:
	}
	return reps
}

// made is what the cells of a file were made with; it is the file's first line.
type made struct {
	Form   int // what cells have; see form
	Seed   uint64
	Reps   int
	Others int
}

// form changes when cells get something that they did not have.
const form = 2

// keep reads the cells that are complete and opens the file for more.
func (s *settings) keep() ([]contest.Cell, *os.File, error) {
	if s.kept == "" {
		return nil, nil, nil
	}
	file, err := os.OpenFile(s.kept, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, err
	}
	d, own := json.NewDecoder(file), made{Form: form, Seed: s.seed, Reps: s.reps, Others: s.others}
	var before made
	switch err := d.Decode(&before); {
	case errors.Is(err, io.EOF):
		return nil, file, json.NewEncoder(file).Encode(own)
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", s.kept, err)
	case before != own:
		return nil, nil, fmt.Errorf("%s keeps cells of %+v, not of %+v; remove it", s.kept, before, own)
	}
	var cells []contest.Cell
	for {
		var c contest.Cell
		if err := d.Decode(&c); errors.Is(err, io.EOF) {
			return cells, file, nil
		} else if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", s.kept, err)
		}
		cells = append(cells, c)
	}
}

// inOrder sorts cells as the corpus has them.
func inOrder(cells []contest.Cell) {
	place := map[string]int{}
	for i, c := range corpus.Cases() {
		place[c.Name] = i
	}
	slices.SortFunc(cells, func(a, b contest.Cell) int {
		if d := place[a.Case] - place[b.Case]; d != 0 {
			return d
		}
		return a.Rate - b.Rate
	})
}

// write writes the page and its figures, and says on out which claims hold.
func (s *settings) write(out io.Writer, cells []contest.Cell) error {
	r := report.Results{Cells: cells, Possible: contest.NewForecast().Possible, Rules: []string{contest.BelayName}, Reps: s.reps, Others: s.others, Seed: s.seed}
	for _, k := range rule.Kinds() {
		r.Rules = append(r.Rules, k.Name)
	}
	r.Command = s.command()
	for _, c := range r.Claims() {
		fmt.Fprintf(out, "%-5v %s: %s\n", c.Holds, c.Text, c.Measured)
	}
	if s.out == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(s.out, "decisions.md"), []byte(r.Page()), 0o644); err != nil {
		return err
	}
	for _, f := range r.Figures() {
		if err := os.WriteFile(filepath.Join(s.out, f.File), []byte(f.Chart.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// command is what gives the same page.
func (s *settings) command() string {
	text := fmt.Sprintf("go run ./bench/decisions -reps %d -others %d -seed %d", s.reps, s.others, s.seed)
	if s.rates != "" {
		text += " -rates " + s.rates
	}
	if s.only != "" {
		text += fmt.Sprintf(" -only %q", s.only)
	}
	return text
}
