package stream

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// user is one of those who send requests.
type user struct {
	hash split.Hash
	// fails is the factor on the failures, slow is added to the logarithm of
	// latencies, and odds multiplies the odds of outcomes.
	fails, slow, odds float64
	segment           float64
	odd               bool
	fresh             bool // has taken the place of another and sent nothing yet
}

// nobody sends the requests that are units of their own.
var nobody = user{fails: 1, odds: 1}

// users are all who send requests.
type users struct {
	scenario.Users
	r    *rand.Rand // draws the users, never the requests
	salt split.Salt
	born int
	all  []user
	// keep and alias pick a user in proportion to the activity (Walker's method of
	// aliases).
	keep  []uint64
	alias []uint32
	due   float64 // new users on their way
}

func newUsers(u *scenario.Users, salt split.Salt, seed uint64) *users {
	all := &users{Users: *u, salt: salt, r: rand.New(rand.NewPCG(seed, 0x7573657273000005)), all: make([]user, u.Count)}
	weights := make([]float64, u.Count)
	for i := range all.all {
		all.all[i] = all.draw()
		if u.Activity == scenario.Lognormal {
			weights[i] = math.Exp(u.Spread * all.r.NormFloat64())
		} else {
			weights[i] = gamma(all.r, u.Spread*u.Spread)
		}
	}
	all.keep, all.alias = aliases(weights)
	return all
}

// draw draws a user.
func (u *users) draw() user {
	u.born++
	return user{
		hash:  u.salt.Hash(strconv.Itoa(u.born)),
		fails: u.own(u.Errors), slow: u.r.NormFloat64() * u.Latency, odds: u.own(u.Outcomes),
		odd: u.r.Float64() < u.Odd, segment: u.r.Float64(),
	}
}

// own draws a factor of a user's own, with mean 1.
func (u *users) own(sigma float64) float64 {
	return math.Exp(sigma*u.r.NormFloat64() - sigma*sigma/2)
}

// pick picks the user of a request.
func (u *users) pick(r *rand.Rand) int {
	x := r.Uint64()
	hi, lo := bits.Mul64(x, uint64(len(u.all)))
	// The high part is uniform over the users, the low part is what is left of it.
	if lo >= u.keep[hi] {
		return int(u.alias[hi])
	}
	return int(hi)
}

// churn replaces those who leave within some seconds. Who comes is as active as
// who leaves.
func (u *users) churn(seconds int64) {
	if u.New <= 0 {
		return
	}
	for u.due += u.New * float64(seconds); u.due >= 1; u.due-- {
		i := u.r.IntN(len(u.all))
		u.all[i] = u.draw()
		u.all[i].fresh = true
	}
}

// aliases builds the tables that pick from weights (Vose, IEEE TSE 17, 1991).
func aliases(weights []float64) (keep []uint64, alias []uint32) {
	n, sum := len(weights), 0.0
	for _, w := range weights {
		sum += w
	}
	keep, alias = make([]uint64, n), make([]uint32, n)
	scaled := make([]float64, n)
	var small, large []int
	for i, w := range weights {
		scaled[i] = w * float64(n) / sum
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		keep[s], alias[s] = threshold(scaled[s]), uint32(l)
		if scaled[l] -= 1 - scaled[s]; scaled[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	for _, i := range append(small, large...) { // What is left is 1 but for rounding.
		keep[i], alias[i] = math.MaxUint64, uint32(i)
	}
	return keep, alias
}

// threshold is the share of 64 bits that a probability below 1 takes.
func threshold(p float64) uint64 {
	return uint64(max(p, 0)*(1<<53)) << 11
}
