package modelserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// slowPixels reads data as encoding/json does, flat or nested; ok is false where the protocol is broken.
func slowPixels(data []byte, rows int) (values []float32, ok bool) {
	var cells []*float32
	if json.Unmarshal(data, &cells) != nil {
		var nested [][]*float32
		if json.Unmarshal(data, &nested) != nil || len(nested) != rows {
			return nil, false
		}
		cells = nil // The attempt above has left something there.
		for _, row := range nested {
			if len(row) != digits.Pixels {
				return nil, false
			}
			cells = append(cells, row...)
		}
	}
	if len(cells) != rows*digits.Pixels {
		return nil, false
	}
	for _, cell := range cells {
		if cell == nil {
			return nil, false
		}
		values = append(values, *cell)
	}
	return values, true
}

// bothWays reads one request by the server's reader and by encoding/json, and says where they differ; "" is nowhere.
func bothWays(data string, rows int) string {
	request, refused := parse([]byte(question(fmt.Sprintf("[%d,64]", rows), data)))
	if refused != nil {
		return "" // Before its data were looked at.
	}
	got, err := request.pixels(nil)
	want, ok := slowPixels(request.Inputs[0].Data, rows)
	if (err == nil) != ok {
		return fmt.Sprintf("read %s: error %v, but encoding/json finds it good: %v", data, err, ok)
	}
	if ok && !slices.Equal(got, want) {
		return fmt.Sprintf("read %s as %v, want %v", data, got, want)
	}
	return ""
}

func TestDataAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 3).Draw(t, "rows")
		lines := make([]string, rows)
		for i := range lines {
			cells := rapid.SliceOfN(rapid.Float32(), digits.Pixels, digits.Pixels).Draw(t, "row")
			text, err := json.Marshal(cells)
			if err != nil {
				t.Skip("a value that JSON does not have")
			}
			lines[i] = string(text)
		}
		nested := "[" + strings.Join(lines, ",") + "]"
		flat := "[" + strings.NewReplacer("[", "", "]", "").Replace(nested) + "]"
		// One mistake at most: a piece of the text is left out, or said twice.
		from := rapid.IntRange(0, len(nested)).Draw(t, "from")
		to := min(len(nested), from+rapid.IntRange(0, 40).Draw(t, "length"))
		for _, data := range []string{nested, flat, nested[:from] + nested[to:], nested[:to] + nested[from:]} {
			if differ := bothWays(data, rows); differ != "" {
				t.Fatal(differ)
			}
		}
	})
}

func FuzzDataAreReadAsTheStandardLibraryReadsThem(f *testing.F) {
	zeros := strings.Repeat("0,", digits.Pixels-1) + "0"
	for _, data := range []string{
		"[" + zeros + "]", "[[" + zeros + "]]", "[[" + zeros + "],[" + zeros + "]]", "[]", "[[]]", "null", `"0"`, "{}",
		"[" + strings.Replace(zeros, "0", "-1.5e-3", 1) + "]", "[" + strings.Replace(zeros, "0", "1e39", 1) + "]",
		"[" + strings.Replace(zeros, "0", "null", 1) + "]", "[" + strings.Replace(zeros, "0", "[0]", 1) + "]",
	} {
		f.Add(data, 1)
		f.Add(data, 2)
	}
	f.Fuzz(func(t *testing.T, data string, rows int) {
		if rows < 1 || rows > 4 {
			return
		}
		if differ := bothWays(data, rows); differ != "" {
			t.Error(differ)
		}
	})
}

func TestReadingATensorAllocatesNothing(t *testing.T) {
	request, err := parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	space := make([]float32, 0, digits.Pixels)
	if n := testing.AllocsPerRun(100, func() { _, err = request.pixels(space) }); n != 0 || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

func BenchmarkParse(b *testing.B) {
	body := []byte(good)
	space := make([]float32, 0, digits.Pixels)
	b.ReportAllocs()
	for b.Loop() {
		request, err := parse(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := request.pixels(space); err != nil {
			b.Fatal(err)
		}
	}
}
