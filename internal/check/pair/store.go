package pair

import (
	"math"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// maxAnswers is how many bytes of answers wait for their partners at most.
const maxAnswers = 512 << 20

// Store finds the rows of both arms that have the same id. Of each id it keeps
// a hash of 128 bits and, until its partner has come, one number a gate and the
// answer.
type Store struct {
	most  int // ids
	width int // numbers of a row
	index map[xxh3.Uint128]int32
	seen  []uint8 // by arm, a bit each
	// values and answers are those of the row that came first.
	values  []float64
	answers []Held
	bytes   int
	pairs   uint64
}

// Held is the answer of a row that waits.
type Held struct {
	Answer
	// Failed says that the request is known to have failed.
	Failed bool
}

// NewStore returns a store for so many ids, of which each row says so many numbers.
func NewStore(most, width int) *Store {
	return &Store{most: most, width: width, index: map[xxh3.Uint128]int32{}}
}

// Partner is what the row of the other arm said.
type Partner struct {
	Values []float64
	Answer Held
}

// Put takes a row. It returns its partner if that has come before, or says that
// the id is the arm's second one.
func (p *Store) Put(id string, arm split.Arm, values []float64, a Held) (with *Partner, twice bool, err error) {
	key := xxh3.HashString128(id)
	at, known := p.index[key]
	if !known {
		return nil, false, p.hold(key, arm, values, a)
	}
	if p.seen[at]&(1<<arm) != 0 {
		return nil, true, nil
	}
	p.seen[at] |= 1 << arm
	p.pairs++
	from := int(at) * p.width
	with = &Partner{Values: p.values[from : from+p.width], Answer: p.answers[at]}
	p.bytes -= p.answers[at].size()
	p.answers[at] = Held{}
	return with, false, nil
}

// hold keeps a row until its partner comes.
func (p *Store) hold(key xxh3.Uint128, arm split.Arm, values []float64, a Held) error {
	if len(p.seen) >= min(p.most, math.MaxInt32) {
		return problem.New(problem.TooLarge, "there are more than %d ids to pair; allow more with --max-ids (about %d bytes each), or compare without pairs with --unpaired", p.most, 230+16*p.width)
	}
	if p.bytes += a.size(); p.bytes > maxAnswers {
		return problem.New(problem.TooLarge, "the answers that wait for their partners take more than %d MiB; give both files in the same order as one with an arm column, or less of them", maxAnswers>>20)
	}
	p.index[key] = int32(len(p.seen))
	p.seen = append(p.seen, 1<<arm)
	p.values = append(p.values, values...)
	p.answers = append(p.answers, a)
	return nil
}

// Pairs is the number of ids that both arms have.
func (p *Store) Pairs() uint64 { return p.pairs }

// Alone is the number of ids that only one arm has.
func (p *Store) Alone() (n [split.Arms]uint64) {
	for _, seen := range p.seen {
		for arm := range n {
			if seen == 1<<arm {
				n[arm]++
			}
		}
	}
	return n
}
