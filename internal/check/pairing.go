package check

import (
	"math"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// maxAnswers is how many bytes of answers wait for their partners at most.
const maxAnswers = 512 << 20

// pairing finds the rows of both arms that have the same id. Of each id it keeps
// a hash of 128 bits and, until its partner has come, one number a gate and the
// answer.
type pairing struct {
	most  int // ids
	width int // numbers of a row
	index map[xxh3.Uint128]int32
	seen  []uint8 // by arm, a bit each
	// values and answers are those of the row that came first.
	values  []float64
	answers []held
	bytes   int
	pairs   uint64
}

// held is the answer of a row that waits.
type held struct {
	answer
	failed bool
}

func newPairing(most, width int) *pairing {
	return &pairing{most: most, width: width, index: map[xxh3.Uint128]int32{}}
}

// partner is what the row of the other arm said.
type partner struct {
	values []float64
	answer held
}

// put takes a row. It returns its partner if that has come before, or says that
// the id is the arm's second one.
func (p *pairing) put(id string, arm split.Arm, values []float64, a held) (with *partner, twice bool, err error) {
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
	with = &partner{values: p.values[from : from+p.width], answer: p.answers[at]}
	p.bytes -= p.answers[at].size()
	p.answers[at] = held{}
	return with, false, nil
}

// hold keeps a row until its partner comes.
func (p *pairing) hold(key xxh3.Uint128, arm split.Arm, values []float64, a held) error {
	if len(p.seen) >= min(p.most, math.MaxInt32) {
		return problem.New(problem.TooLarge, "there are more than %d ids to pair; allow more with --max-ids (about %d bytes each), or compare without pairs with --unpaired", p.most, 80+8*p.width)
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

// alone is the number of ids that only one arm has.
func (p *pairing) alone() (n [split.Arms]uint64) {
	for _, seen := range p.seen {
		for arm := range n {
			if seen == 1<<arm {
				n[arm]++
			}
		}
	}
	return n
}
