package modelserver

import (
	"fmt"
	"math"
	"time"
)

// Behaviour is what a server declares about its own speed and failures. The zero value answers at once and never fails.
type Behaviour struct {
	// Median is the median service time. A request is answered that long after it was read, or later, never earlier.
	Median time.Duration
	// Sigma is the standard deviation of the service time's logarithm: the time is lognormal.
	Sigma float64
	// SlowShare is the share of requests, from 0 to 1, whose service time is SlowFactor times as long.
	SlowShare float64
	// SlowFactor is how much longer a slow request takes; at least 1 where SlowShare is above 0.
	SlowFactor float64
	// FailShare is the share of requests, from 0 to 1, that end with status 500, after their service time.
	FailShare float64
	// Seed decides which requests are slow or fail, and each one's service time.
	Seed uint64
}

// Steady is the behaviour of a healthy version: 8 ms in the median, lognormal with sigma 0.25, so that one request in a
// hundred takes 14.3 ms or longer.
func Steady(seed uint64) Behaviour {
	return Behaviour{Median: 8 * time.Millisecond, Sigma: 0.25, Seed: seed}
}

func (b Behaviour) check() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case b.Median < 0 || !(b.Sigma >= 0 && b.Sigma <= 3):
		return fmt.Errorf("service time %v with sigma %v: want at least 0, and sigma 0 to 3", b.Median, b.Sigma)
	case !share(b.SlowShare) || !share(b.FailShare):
		return fmt.Errorf("slow share %v, fail share %v: want 0 to 1", b.SlowShare, b.FailShare)
	case b.SlowShare > 0 && !(b.SlowFactor >= 1 && b.SlowFactor <= 1000):
		return fmt.Errorf("slow factor %v: want 1 to 1000", b.SlowFactor)
	}
	return nil
}

// fate is what was drawn for one request.
type fate struct {
	service time.Duration
	slow    bool
	fail    bool
}

// draw decides the fate of the n-th request. It is a function of seed and n alone, so that requests need no lock to
// draw, and the same seed gives the same fates whatever the requests are.
func (b Behaviour) draw(n uint64) fate {
	chance := splitMix(b.Seed ^ splitMixFinal(n))
	f := fate{
		slow: chance.uniform() < b.SlowShare,
		fail: chance.uniform() < b.FailShare,
	}
	if b.Median == 0 {
		return f
	}
	normal := math.Sqrt2 * math.Erfinv(2*chance.uniform()-1) // The standard normal's quantile at a uniform draw.
	service := float64(b.Median) * math.Exp(b.Sigma*normal)
	if f.slow {
		service *= b.SlowFactor
	}
	f.service = time.Duration(service)
	return f
}

// splitMix is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a generator that is a single word, good enough for
// drawing fates and free to create per request.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return splitMixFinal(uint64(*s))
}

func splitMixFinal(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// uniform draws from 0 to 1, both excluded.
func (s *splitMix) uniform() float64 {
	return (float64(s.next()>>11) + 0.5) / (1 << 53)
}
