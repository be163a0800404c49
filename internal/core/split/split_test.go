package split

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestWideningAStageNeverMovesAUnitOutOfTheCandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt := Salt(rapid.Uint64().Draw(t, "salt"))
		unit := rapid.String().Draw(t, "unit")
		from := rapid.Uint32Range(0, Whole).Draw(t, "from")
		to := rapid.Uint32Range(from, Whole).Draw(t, "to")
		h := salt.Hash(unit)
		if Pick(h, from) == Candidate && Pick(h, to) != Candidate {
			t.Fatalf("unit %q left the candidate when the weight grew %d -> %d", unit, from, to)
		}
	})
}

func TestNoWeightSendsNothingAndTheWholeSendsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hash{Assign: rapid.Uint64().Draw(t, "hash")}
		if Pick(h, 0) != Baseline {
			t.Fatalf("hash %d at weight 0 went to the candidate", h.Assign)
		}
		if Pick(h, Whole) != Candidate {
			t.Fatalf("hash %d at the whole weight stayed with the baseline", h.Assign)
		}
	})
}

func TestTheShareOfUnitsIsTheWeight(t *testing.T) {
	const units = 200_000
	for _, weight := range []uint32{100, 1000, 2500, 5000, 9900} {
		t.Run(fmt.Sprint(weight), func(t *testing.T) {
			salt, got := Salt(0x5eed), 0
			for i := range units {
				if Pick(salt.Hash(fmt.Sprintf("user-%d", i)), weight) == Candidate {
					got++
				}
			}
			w := float64(weight) / Whole
			// Five standard deviations of a binomial count.
			if d := math.Abs(float64(got) - units*w); d > 5*math.Sqrt(units*w*(1-w)) {
				t.Errorf("%d of %d units at weight %d", got, units, weight)
			}
		})
	}
}

func TestAFreshSaltAssignsAfresh(t *testing.T) {
	const units = 20_000
	both := 0
	for i := range units {
		unit := fmt.Sprintf("user-%d", i)
		if Pick(Salt(1).Hash(unit), 1000) == Candidate && Pick(Salt(2).Hash(unit), 1000) == Candidate {
			both++
		}
	}
	// Independent salts share a tenth of a tenth; five standard deviations.
	if d := math.Abs(float64(both) - units*0.01); d > 5*math.Sqrt(units*0.01*0.99) {
		t.Errorf("%d of %d units are in both candidates, want about %d", both, units, units/100)
	}
}

func TestTheBucketKnowsNothingOfTheArm(t *testing.T) {
	const units, weight = 200_000, 5000
	var inCandidate, all [Buckets]float64
	for i := range units {
		h := Salt(7).Hash(fmt.Sprintf("user-%d", i))
		all[h.Bucket()]++
		if Pick(h, weight) == Candidate {
			inCandidate[h.Bucket()]++
		}
	}
	chi2 := 0.0
	for b := range all {
		d := inCandidate[b] - all[b]/2
		chi2 += d * d / (all[b] / 4)
	}
	// Chi-squared with 256 degrees of freedom: mean 256, standard deviation 22.6.
	if chi2 > 256+5*22.6 || chi2 < 256-5*22.6 {
		t.Errorf("chi-squared of arm against bucket is %.0f, want about 256", chi2)
	}
}

func TestAssignmentIsStableAcrossReleases(t *testing.T) {
	// Golden values: a change of hash would re-randomise every running rollout.
	h := Salt(42).Hash("user-1")
	if want := (Hash{Assign: 0x675ef84df4f5bd44, Second: 0xbf6410e43dbff790}); h != want {
		t.Errorf("hash of user-1 under salt 42 is %#x, %#x; want %#x, %#x", h.Assign, h.Second, want.Assign, want.Second)
	}
}

func TestArmNamesRoundTrip(t *testing.T) {
	for _, a := range []Arm{Baseline, Candidate} {
		text, err := a.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Arm
		if err := back.UnmarshalText(text); err != nil || back != a {
			t.Errorf("%s came back as %s, %v", a, back, err)
		}
	}
	if err := new(Arm).UnmarshalText([]byte("canary")); err == nil {
		t.Error("an arm that is not in the glossary was accepted")
	}
}

var sink Arm

func BenchmarkSplit(b *testing.B) {
	for name, unit := range map[string]string{"8 bytes": "user-123", "UUID": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = Pick(Salt(42).Hash(unit), 1000)
			}
		})
	}
}
