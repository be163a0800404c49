package sqlite

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/belay-rollouts/belay/internal/store"
)

const (
	// sieveBits are the bits of a sieve for each id of a full era, and
	// sieveMarks how many of them an id sets: 2.4 % of the ids that are not
	// there are taken for ones that may be (Bloom, Space/time trade-offs in hash
	// coding with allowable errors, 1970).
	sieveBits  = 8
	sieveMarks = 4
	// maxSieves bounds them: 64 KiB each, 16 MiB in all, for 16 million ids.
	// Eras beyond are looked up in the database every time.
	maxSieves = 256
)

// sieve tells outcome ids that are surely not in an era from those that may be.
// Nearly all ids that are asked for are new, and a look into each of a hundred
// eras would take far longer than keeping them. Ids are hashes already, so
// their own bits place the marks.
type sieve []uint64

func newSieve(ids int) sieve { return make(sieve, max(ids*sieveBits/64, 1)) }

// places calls at for the marks of an id, until it returns false.
func (v sieve) places(id *store.OutcomeID, at func(word, bit uint64) bool) bool {
	a, b := binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:])|1
	for range sieveMarks {
		place := a % uint64(64*len(v))
		if !at(place/64, 1<<(place%64)) {
			return false
		}
		a += b
	}
	return true
}

func (v sieve) add(id *store.OutcomeID) {
	v.places(id, func(word, bit uint64) bool { v[word] |= bit; return true })
}

func (v sieve) mayHave(id *store.OutcomeID) bool {
	return v.places(id, func(word, bit uint64) bool { return v[word]&bit != 0 })
}

// sieves are those of the eras that get no new ids any more, made when they are
// first asked for. What is forgotten later stays in them, which does no harm.
type sieves struct {
	mu   sync.Mutex
	made map[eraKey]sieve
}

type eraKey struct{ rollout, era int64 }

func (v *sieves) get(k eraKey) (have sieve, full bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.made[k], len(v.made) >= maxSieves
}

func (v *sieves) put(k eraKey, made sieve) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.made == nil {
		v.made = map[eraKey]sieve{}
	}
	if len(v.made) < maxSieves {
		v.made[k] = made
	}
}

// forget drops the sieves of a rollout's eras before one.
func (v *sieves) forget(rollout, before int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k := range v.made {
		if k.rollout == rollout && k.era < before {
			delete(v.made, k)
		}
	}
}

const outcomeEra = `SELECT id FROM outcome WHERE rollout = ? AND era = ?`

// makeSieve makes the sieve of the newest era of a rollout that is complete and
// has none. It is called once for each question, so that the first one after a
// restart does not wait until all of them are made.
func (s *Store) makeSieve(ctx context.Context, e eras) error {
	for era := e.last - 1; era >= e.first; era-- {
		k := eraKey{e.key, era}
		have, full := s.sieves.get(k)
		if full {
			return nil
		}
		if have != nil {
			continue
		}
		made := newSieve(1 << s.writer.bounds.eraBits)
		err := s.look(ctx, ask("look outcomes up", outcomeEra, k.rollout, k.era), func(id store.OutcomeID) { made.add(&id) })
		if err == nil {
			s.sieves.put(k, made)
		}
		return err
	}
	return nil
}

// sift returns those of the ids that may be in an era.
func (v *sieves) sift(k eraKey, ids []store.OutcomeID) []store.OutcomeID {
	have, _ := v.get(k)
	if have == nil {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id store.OutcomeID) bool { return !have.mayHave(&id) })
}
