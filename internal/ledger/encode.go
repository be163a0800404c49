package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

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

// page is a stratum as of one moment. It never changes, and is encoded once.
type page struct {
	stratum *evidence.Stratum
	encoded func() ([]byte, error)
}

// newPage copies a stratum.
func newPage(l *evidence.Layout, s *evidence.Stratum) *page {
	c := evidence.NewStratum(l)
	c.Merge(s)
	for arm := range c.Sides {
		for i := range c.Sides[arm].Latency {
			c.Sides[arm].Latency[i].Compact()
		}
	}
	return &page{stratum: c, encoded: sync.OnceValues(func() ([]byte, error) { return json.Marshal(c) })}
}

// encode returns the canonical form of evidence: the JSON of evidence.Evidence
// with compacted histograms, compressed. Pages that did not change since the
// last time are not written again.
func encode(pages []*page) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"strata":[`)
	for i, p := range pages {
		if i > 0 {
			b.WriteByte(',')
		}
		body, err := p.encoded()
		if err != nil {
			return nil, fmt.Errorf("encode stratum %d: %w", i, err)
		}
		b.Write(body)
	}
	b.WriteString("]}")
	return encoder.EncodeAll(b.Bytes(), make([]byte, 0, b.Len()/4)), nil
}

// Encode returns the form in which the ledger keeps evidence.
func Encode(l *evidence.Layout, ev *evidence.Evidence) ([]byte, error) {
	pages := make([]*page, len(ev.Strata))
	for i, s := range ev.Strata {
		pages[i] = newPage(l, s)
	}
	return encode(pages)
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
	out := &evidence.Evidence{Strata: make([]*evidence.Stratum, len(kept.Strata))}
	for i, s := range kept.Strata {
		if !l.Fits(s) {
			return nil, fmt.Errorf("decode evidence: stratum %d is not of this plan's layout", i)
		}
		out.Strata[i] = evidence.NewStratum(l)
		out.Strata[i].Merge(s)
	}
	return out, nil
}
