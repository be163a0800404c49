// Package assignment is the token that a caller gets with each answer
// (`Belay-Assignment`) and sends back with an outcome.
//
// A token names the exposure by itself: rollout, stratum, arm, unit and time.
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
}

const (
	version   = 1
	bodySize  = 1 + 8 + 1 + 1 + 8 + 8 + 8
	macSize   = 16
	tokenSize = bodySize + macSize

	flagCandidate = 1 << 0
	flagPinned    = 1 << 1
)

// TokenLen is the length of a token in characters.
var TokenLen = encoding.EncodedLen(tokenSize)

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
	raw [tokenSize]byte
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
	m.sign(raw[:bodySize], raw[bodySize:])
	return encoding.AppendEncode(dst, raw[:])
}

// Token returns the token of an exposure.
func (s *Signer) Token(e Exposure) string {
	return string(s.Append(make([]byte, 0, TokenLen), e))
}

// Read checks a token and returns its exposure. Anything but a token that this
// key signed is a problem.Invalid error.
func (s *Signer) Read(token string) (Exposure, error) {
	if len(token) != TokenLen {
		return Exposure{}, problem.New(problem.Invalid, "assignment token has %d characters instead of %d: send the value of the Belay-Assignment header as it was received", len(token), TokenLen)
	}
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	raw := &m.raw
	if _, err := encoding.Decode(raw[:], []byte(token)); err != nil {
		return Exposure{}, problem.New(problem.Invalid, "assignment token is not base64url: send the value of the Belay-Assignment header as it was received")
	}
	var want [macSize]byte
	m.sign(raw[:bodySize], want[:])
	if !hmac.Equal(want[:], raw[bodySize:]) || raw[0] != version {
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
