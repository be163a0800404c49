package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
)

// Entry is one record of a rollout's decision log: the decision and everything
// that it was made from, so that anybody can work it out again.
type Entry struct {
	Seq int64     `json:"seq"` // from 1, without gaps
	At  time.Time `json:"at"`
	// MaxGap is that of the input.
	MaxGap time.Duration `json:"maxGap,omitzero"`

	Kind     Kind   `json:"kind"`
	Reason   Reason `json:"reason"`
	Gate     string `json:"gate,omitempty"`
	Sentence string `json:"sentence"`

	// Before and Next are the states around the decision.
	Before State `json:"before"`
	Next   State `json:"next"`

	Traffic    Traffic          `json:"traffic"`
	Act        *Act             `json:"act,omitempty"`
	Judgements []gate.Judgement `json:"judgements,omitempty"`
	Segments   []gate.Judgement `json:"segments,omitempty"`
	// EvidenceSum is the SHA-256 of the evidence as it was stored beside the
	// entry, in hex.
	EvidenceSum string `json:"evidenceSum"`
}

// NewEntry returns the log entry of a decision.
func NewEntry(seq int64, in Input, d Decision, evidenceSum string) Entry {
	return Entry{
		Seq: seq, At: in.Now, MaxGap: in.MaxGap,
		Kind: d.Kind, Reason: d.Reason, Gate: d.Gate, Sentence: d.Sentence,
		Before: in.State, Next: d.Next,
		Traffic: in.Traffic, Act: in.Act, Judgements: in.Judgements, Segments: in.Segments,
		EvidenceSum: evidenceSum,
	}
}

// Genesis is the hash that a rollout's log starts from. It covers the plan, so
// a plan that was changed afterwards does not fit its log.
func Genesis(id uint64, p *Plan) (string, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode the plan of %q: %w", p.Rollout, err)
	}
	return sum([]byte(fmt.Sprintf("belay rollout %016x\n", id)), body), nil
}

// Chain returns the entry's canonical bytes and its hash, which covers them and
// the hash of the entry before (or Genesis).
func (e Entry) Chain(previous string) (body []byte, hash string, err error) {
	body, err = json.Marshal(e)
	if err != nil {
		return nil, "", fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	return body, sum([]byte(previous+"\n"), body), nil
}

// Sum is the hash that the log uses, in hex.
func Sum(data []byte) string { return sum(data) }

func sum(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
