package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// maxDecoded bounds the evidence that is read back: 64 strata of every series a
// plan can have take far less.
const maxDecoded = 256 << 20

// One encoder and one decoder serve everybody. Both are safe for concurrent use
// and start no goroutine for whole buffers. They are made and warmed up when
// the program starts, because their inner channels must belong to no test's
// bubble of virtual time.
var (
	encoder = newEncoder()
	decoder = newDecoder()
)

func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	if err != nil { // Not reached: the options are constants.
		panic("ledger: " + err.Error())
	}
	e.EncodeAll([]byte("{}"), nil)
	return e
}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded))
	if err != nil { // Not reached: the options are constants.
		panic("ledger: " + err.Error())
	}
	return d
}

// encode returns the canonical form of evidence: the JSON of evidence.Evidence
// with compacted histograms, compressed. Pages that did not change since the
// last time are not written again.
func encode(e *edition) ([]byte, error) {
	var b bytes.Buffer
	if err := e.write(&b); err != nil {
		return nil, fmt.Errorf("encode evidence: %w", err)
	}
	return encoder.EncodeAll(b.Bytes(), make([]byte, 0, b.Len()/4)), nil
}

// write writes the JSON of the evidence.
func (e *edition) write(b *bytes.Buffer) error {
	b.WriteString(`{"strata":`)
	if err := list(b, e.strata); err != nil {
		return err
	}
	for i, pages := range e.segments {
		name, err := json.Marshal(e.evidence.Segments[i].Name)
		if err != nil {
			return err
		}
		b.WriteString(between(i, `,"segments":[`) + `{"name":`)
		b.Write(name)
		b.WriteString(`,"strata":`)
		if err := list(b, pages); err != nil {
			return err
		}
		b.WriteByte('}')
	}
	if len(e.segments) > 0 {
		b.WriteByte(']')
	}
	if len(e.cohorts) > 0 {
		b.WriteString(`,"cohorts":`)
		if err := list(b, e.cohorts); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// list writes pages; one that is missing is null.
func list(b *bytes.Buffer, pages []*page) error {
	b.WriteByte('[')
	for i, p := range pages {
		b.WriteString(between(i, ""))
		if p == nil {
			b.WriteString("null")
			continue
		}
		body, err := p.encoded()
		if err != nil {
			return err
		}
		b.Write(body)
	}
	b.WriteByte(']')
	return nil
}

// between is what is written before element i of a list.
func between(i int, begin string) string {
	if i == 0 {
		return begin
	}
	return ","
}

// Encode returns the form in which the ledger keeps evidence.
func Encode(l *evidence.Layout, ev *evidence.Evidence) ([]byte, error) {
	e, _ := publish(l, ev, nil)
	return encode(e)
}

// Bounds of what is read back, that are not the layout's. Each is beyond what a
// book can have come to hold.
const (
	// maxUnscaled is how many observations of each series wait in one stratum.
	maxUnscaled = 2 * evidence.MaxRaw
	// maxSegments are those with a name of their own, and all others.
	maxSegments = evidence.MaxSegments + 1
)

// maxCohorts is how many cohorts wait: those of a horizon's slots, each of any
// stratum.
func maxCohorts(l *evidence.Layout) int {
	return len(l.Horizons) * (evidence.Slots + 2) * evidence.MaxStrata
}

// Decode reads evidence back that Encode wrote. Evidence of another layout is
// an error.
func Decode(l *evidence.Layout, data []byte) (*evidence.Evidence, error) {
	body, err := decoder.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress evidence: %w", err)
	}
	var kept evidence.Evidence
	if err := json.Unmarshal(body, &kept); err != nil {
		return nil, fmt.Errorf("decode evidence: %w", err)
	}
	if len(kept.Strata) > evidence.MaxStrata {
		return nil, fmt.Errorf("decode evidence: %d strata, at most %d are possible", len(kept.Strata), evidence.MaxStrata)
	}
	for i, s := range kept.Strata {
		if !fits(l, s) {
			return nil, fmt.Errorf("decode evidence: stratum %d is not of this plan's layout", i)
		}
	}
	if err := fitSegments(l, &kept); err != nil {
		return nil, fmt.Errorf("decode evidence: %w", err)
	}
	if n := len(kept.Cohorts); n > maxCohorts(l) {
		return nil, fmt.Errorf("decode evidence: %d cohorts wait, at most %d are possible", n, maxCohorts(l))
	}
	for i, c := range kept.Cohorts {
		if !l.FitsCohort(c) || !fits(l, c.Delta) {
			return nil, fmt.Errorf("decode evidence: cohort %d is not of this plan's layout", i)
		}
	}
	return kept.Clone(l), nil
}

// fits reports whether a stratum can have been kept with this layout.
func fits(l *evidence.Layout, s *evidence.Stratum) bool {
	return l.Fits(s) && len(s.Raw) <= maxUnscaled*len(l.Values)
}

// fitSegments says what is wrong with segments that were read back.
func fitSegments(l *evidence.Layout, kept *evidence.Evidence) error {
	if n := len(kept.Segments); n > maxSegments {
		return fmt.Errorf("%d segments, at most %d are possible", n, maxSegments)
	}
	for i, segment := range kept.Segments {
		if segment == nil || len(segment.Strata) > len(kept.Strata) {
			return fmt.Errorf("segment %d has more strata than the whole", i)
		}
		for k, s := range segment.Strata {
			if s != nil && !fits(l, s) {
				return fmt.Errorf("stratum %d of segment %d is not of this plan's layout", k, i)
			}
		}
	}
	return nil
}
