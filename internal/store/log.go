package store

import (
	"encoding/json"
	"fmt"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

// HeadOf returns what a rollout remembers of a log entry once it is stored.
func HeadOf(e *rollout.Entry, hash string) Head {
	return Head{Seq: e.Seq, At: e.At, Kind: e.Kind, Reason: e.Reason, Gate: e.Gate, Sentence: e.Sentence, Hash: hash}
}

// Seal makes the record of the entry that follows a rollout's log: the body as
// it is hashed, chained to the head, or to Genesis before the first. It refuses
// an entry that would leave a gap, and one whose EvidenceSum is not that of the
// evidence that is kept beside it; an entry of a rollout without any evidence
// may leave the sum empty. Every store appends through it.
func Seal(r *Rollout, e rollout.Entry, evidence []byte) (Logged, error) {
	if want := r.Last.Seq + 1; e.Seq != want {
		return Logged{}, problem.New(problem.Internal, "log entry %d of rollout %q would leave a gap: the next one is %d", e.Seq, r.Name, want)
	}
	if err := checkSum(&e, evidence); err != nil {
		return Logged{}, fmt.Errorf("log entry %d of rollout %q: %w", e.Seq, r.Name, err)
	}
	previous, err := previousOf(r)
	if err != nil {
		return Logged{}, err
	}
	body, hash, err := e.Chain(previous)
	if err != nil {
		return Logged{}, fmt.Errorf("log entry %d of rollout %q: %w", e.Seq, r.Name, err)
	}
	return Logged{Entry: e, Body: body, Evidence: evidence, Previous: previous, Hash: hash}, nil
}

func previousOf(r *Rollout) (string, error) {
	if r.Last.Seq > 0 {
		return r.Last.Hash, nil
	}
	return rollout.Genesis(r.ID, &r.Plan)
}

func checkSum(e *rollout.Entry, evidence []byte) error {
	if len(evidence) == 0 && e.EvidenceSum == "" {
		return nil
	}
	if sum := rollout.Sum(evidence); e.EvidenceSum != sum {
		return problem.New(problem.Internal, "the evidence has the sum %s, but the entry names %q", sum, e.EvidenceSum)
	}
	return nil
}

// Audit follows the log of one rollout, record by record, and finds the first
// that does not fit: changed, missing, added, or out of order. It reads only
// the bytes as they were hashed, so it holds for logs of older programs too.
type Audit struct {
	seq      int64
	previous string
}

// NewAudit begins an audit at the rollout's Genesis, which covers its plan.
func NewAudit(r *Rollout) (*Audit, error) {
	genesis, err := rollout.Genesis(r.ID, &r.Plan)
	if err != nil {
		return nil, err
	}
	return &Audit{previous: genesis}, nil
}

// Next checks the record that follows. The error says what is wrong with it.
func (a *Audit) Next(l *Logged) error {
	var e rollout.Entry
	if err := json.Unmarshal(l.Body, &e); err != nil {
		return fmt.Errorf("the body cannot be read: %w", err)
	}
	want := a.seq + 1
	hash := rollout.Sum(append([]byte(a.previous+"\n"), l.Body...))
	switch {
	case e.Seq != want:
		return fmt.Errorf("record %d stands where record %d should", e.Seq, want)
	case l.Previous != a.previous:
		return fmt.Errorf("it follows hash %q, but the record before has %q", l.Previous, a.previous)
	case l.Hash != hash:
		return fmt.Errorf("its hash is %s, but the log says %q", hash, l.Hash)
	}
	if err := checkSum(&e, l.Evidence); err != nil {
		return err
	}
	a.seq, a.previous = e.Seq, hash
	return nil
}

// Seq is the sequence number of the last record that fits; 0 before the first.
func (a *Audit) Seq() int64 { return a.seq }

// End checks that the log ends where the rollout says it does.
func (a *Audit) End(head Head) error {
	switch {
	case a.seq == 0 && head == (Head{}):
		return nil
	case head.Seq != a.seq:
		return fmt.Errorf("the rollout ends at record %d, but the log at record %d", head.Seq, a.seq)
	case head.Hash != a.previous:
		return fmt.Errorf("the rollout ends at hash %q, but record %d has %q", head.Hash, a.seq, a.previous)
	}
	return nil
}
