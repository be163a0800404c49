// Package check makes the files of answers beside it, and proves that they
// are what the versions of the demo's model answer: nothing in them is made up.
//
//	go test ./examples/check -update
package check

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

var update = flag.Bool("update", false, "write the files anew")

// seed is that of the files: of the digits that are held out, and of the training.
const seed = 1

func TestTheFilesAreWhatTheVersionsAnswer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("trains three networks")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("another processor rounds in another way, and learns other weights")
	}
	split, err := digits.NewSplit(seed)
	if err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]digits.Version{"v1.csv": digits.Serving(), "v2.csv": digits.Better(), "v5.csv": digits.Mislabelled()} {
		trained, err := version.Train(context.Background(), split, seed)
		if err != nil {
			t.Fatal(err)
		}
		answers := table(t, trained.Network, split.HeldOut)
		if *update {
			if err := os.WriteFile(name, answers, 0o644); err != nil { //nolint:gosec // Everybody may read an example.
				t.Fatal(err)
			}
			continue
		}
		kept, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, answers) {
			t.Errorf("%s is not what the version answers; write it anew with -update", name)
		}
	}
}

// table is what a network reads of each digit: what its writer meant, what the
// network takes it for, and how sure it is.
func table(t *testing.T, network *digits.Network, shown []digits.Digit) []byte {
	t.Helper()
	rows := [][]string{{"id", "label", "output", "score"}}
	for i, digit := range shown {
		class, scores := network.Predict(digit.Pixels)
		rows = append(rows, []string{
			fmt.Sprintf("digit-%03d", i), strconv.Itoa(digit.Label), strconv.Itoa(class), strconv.FormatFloat(float64(scores[class]), 'f', 4, 32),
		})
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
