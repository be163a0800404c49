package load

import (
	"math/rand/v2"
	"time"
)

// arrivals are the moments of a Poisson process, since its beginning: the gaps
// between them are exponentially distributed and know nothing of each other.
type arrivals struct {
	chance *rand.Rand
	gap    float64 // mean, in nanoseconds
	at     float64
}

func newArrivals(rate float64, seed uint64) *arrivals {
	a := &arrivals{chance: rand.New(rand.NewPCG(seed, 0x6f70656e)), gap: float64(time.Second) / rate}
	a.step()
	return a
}

// next is the next moment.
func (a *arrivals) next() time.Duration { return time.Duration(a.at) }

// step goes on to the moment after it.
func (a *arrivals) step() { a.at += a.chance.ExpFloat64() * a.gap }
