// Package assignment is the token that a caller gets with each answer
// (`Belay-Assignment`) and sends back with an outcome.
//
// A token names the exposure by itself: rollout, stratum, arm, unit and time.
// It carries marks of the request's segments where the rollout has any.
// Nothing is kept for it on the server, so an outcome finds its exposure after
// a restart and on any replica that holds the key. Tokens are opaque to
// callers and signed (HMAC-SHA256, cut to 128 bits): one that was changed, or
// that another installation gave out, is refused and never guessed at.
package assignment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Exposure is what a token says: one request that an arm of a rollout served.
type Exposure struct {
	Rollout uint64    // the rollout's number
	Stratum uint8     // the stratum it was exposed in
	Arm     split.Arm // the arm it was assigned to, whoever answered in the end
	Pinned  bool      // the caller chose the arm, so it is in no comparison
	Unit    uint64    // the unit's second hash
	Request uint64    // random, tells requests of one unit apart
	Time    time.Time // of the request, to the millisecond
	// Segments are the marks of the segments that the request belongs to, those
	// that are not zero (see Mark).
	Segments [MaxSegments]uint32
}

// MaxSegments is how many segments one request can belong to: one of each
// attribute.
const MaxSegments = 4

// Mark stands for a segment's name in a token. It is never zero. Two names of a
// rollout share a mark once in four billion pairs; their outcomes are then told
// together.
func Mark(segment string) uint32 {
	return max(uint32(xxh3.HashString(segment)), 1)
}

const (
	version   = 1
	bodySize  = 1 + 8 + 1 + 1 + 8 + 8 + 8
	markSize  = 4
	macSize   = 16
	tokenSize = bodySize + macSize
	roomSize  = tokenSize + MaxSegments*markSize

	flagCandidate = 1 << 0
	flagPinned    = 1 << 1
)

// TokenLen is the length in characters of a token without segments, MaxTokenLen
// that of the longest.
var (
	TokenLen    = encoding.EncodedLen(tokenSize)
	MaxTokenLen = encoding.EncodedLen(roomSize)
)

// marks is how many segments a token of a length has; it reports false for what
// is no token's length.
func marks(length int) (n int, ok bool) {
	for n := range MaxSegments + 1 {
		if length == encoding.EncodedLen(tokenSize+n*markSize) {
			return n, true
		}
	}
	return 0, false
}

// Strict: the spare bits of the last character must be zero, so that a token
// has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// KeySize is the least size of a signing key in bytes.
const KeySize = 32

// Signer makes and checks tokens with one key. It is safe for concurrent use.
type Signer struct{ macs sync.Pool }

// NewSigner returns a Signer. It panics on a key shorter than KeySize, which
// is a mistake of the program and not of a caller.
func NewSigner(key []byte) *Signer {
	if len(key) < KeySize {
		panic("assignment: key shorter than KeySize")
	}
	key = append([]byte(nil), key...)
	return &Signer{macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// mac is a reusable HMAC with room for its sum and for a token, so that making
// a token allocates nothing.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
	raw [roomSize]byte
}

// Append appends the token of an exposure to dst.
func (s *Signer) Append(dst []byte, e Exposure) []byte {
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	raw := &m.raw
	raw[0] = version
	binary.BigEndian.PutUint64(raw[1:], e.Rollout)
	raw[9] = flags(e)
	raw[10] = e.Stratum
	binary.BigEndian.PutUint64(raw[11:], e.Unit)
	binary.BigEndian.PutUint64(raw[19:], e.Request)
	binary.BigEndian.PutUint64(raw[27:], uint64(e.Time.UnixMilli()))
	end := bodySize
	for _, mark := range e.Segments {
		if mark != 0 {
			binary.BigEndian.PutUint32(raw[end:], mark)
			end += markSize
		}
	}
	m.sign(raw[:end], raw[end:])
	return encoding.AppendEncode(dst, raw[:end+macSize])
}

// Token returns the token of an exposure.
func (s *Signer) Token(e Exposure) string {
	return string(s.Append(make([]byte, 0, MaxTokenLen), e))
}

// Read checks a token and returns its exposure. Anything but a token that this
// key signed is a problem.Invalid error.
func (s *Signer) Read(token string) (Exposure, error) {
	n, ok := marks(len(token))
	if !ok {
		return Exposure{}, problem.New(problem.Invalid, "assignment token has %d characters instead of %d or a little more: send the value of the Belay-Assignment header as it was received", len(token), TokenLen)
	}
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	raw := &m.raw
	if _, err := encoding.Decode(raw[:], []byte(token)); err != nil {
		return Exposure{}, problem.New(problem.Invalid, "assignment token is not base64url: send the value of the Belay-Assignment header as it was received")
	}
	end := bodySize + n*markSize
	var want [macSize]byte
	m.sign(raw[:end], want[:])
	if !hmac.Equal(want[:], raw[end:end+macSize]) || raw[0] != version {
		return Exposure{}, problem.New(problem.Invalid, "assignment token was not signed by this server: it was changed on the way, or another server gave it out")
	}
	e := Exposure{
		Rollout: binary.BigEndian.Uint64(raw[1:]),
		Stratum: raw[10],
		Pinned:  raw[9]&flagPinned != 0,
		Unit:    binary.BigEndian.Uint64(raw[11:]),
		Request: binary.BigEndian.Uint64(raw[19:]),
		Time:    time.UnixMilli(int64(binary.BigEndian.Uint64(raw[27:]))).UTC(),
	}
	if raw[9]&flagCandidate != 0 {
		e.Arm = split.Candidate
	}
	for i := range n {
		e.Segments[i] = binary.BigEndian.Uint32(raw[bodySize+i*markSize:])
	}
	return e, nil
}

func flags(e Exposure) byte {
	var f byte
	if e.Arm == split.Candidate {
		f |= flagCandidate
	}
	if e.Pinned {
		f |= flagPinned
	}
	return f
}

func (m *mac) sign(body, dst []byte) {
	m.Reset()
	m.Write(body)
	copy(dst[:macSize], m.Sum(m.sum[:0]))
}
