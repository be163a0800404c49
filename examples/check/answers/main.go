// Command answers writes the answers that versions of the demo's model give to
// the handwritten digits that none of them has learned from: v1.csv, v2.csv and
// v5.csv, in the directory that it is given. Each row is one digit, with what its
// writer meant (label), what the version read (output) and how sure it was
// (score). Nothing is made up: the versions are trained on the spot. The same seed
// gives the same files, on one kind of processor.
package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// seed is that of the files beside this program.
const seed = 1

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/check/answers DIRECTORY")
		os.Exit(2)
	}
	if err := write(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, directory string) error {
	split, err := digits.NewSplit(seed)
	if err != nil {
		return err
	}
	for name, version := range map[string]digits.Version{"v1": digits.Serving(), "v2": digits.Better(), "v5": digits.Mislabelled()} {
		trained, err := version.Train(ctx, split, seed)
		if err != nil {
			return err
		}
		if err := save(filepath.Join(directory, name+".csv"), trained.Network, split.HeldOut); err != nil {
			return err
		}
	}
	return nil
}

// save writes what a network reads.
func save(path string, network *digits.Network, shown []digits.Digit) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	rows := [][]string{{"id", "label", "output", "score"}}
	for i, digit := range shown {
		class, scores := network.Predict(digit.Pixels)
		rows = append(rows, []string{
			fmt.Sprintf("digit-%03d", i), strconv.Itoa(digit.Label), strconv.Itoa(class), strconv.FormatFloat(float64(scores[class]), 'f', 4, 32),
		})
	}
	err = w.WriteAll(rows)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
