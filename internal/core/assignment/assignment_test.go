package assignment

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

var key = bytes.Repeat([]byte{7}, KeySize)

func drawExposure(t *rapid.T) Exposure {
	e := Exposure{
		Rollout: rapid.Uint64().Draw(t, "rollout"),
		Stratum: rapid.Uint8().Draw(t, "stratum"),
		Arm:     rapid.SampledFrom([]split.Arm{split.Baseline, split.Candidate}).Draw(t, "arm"),
		Pinned:  rapid.Bool().Draw(t, "pinned"),
		Unit:    rapid.Uint64().Draw(t, "unit"),
		Request: rapid.Uint64().Draw(t, "request"),
		Time:    time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")).UTC(),
	}
	for i, name := range rapid.SliceOfN(rapid.String(), 0, MaxSegments).Draw(t, "segments") {
		e.Segments[i] = Mark(name)
	}
	return e
}

func TestEverySegmentHasAMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if Mark(a) == 0 || (Mark(a) == Mark(b)) != (a == b) {
			t.Fatalf("%q has the mark %d, %q has %d", a, Mark(a), b, Mark(b))
		}
	})
}

func TestATokenNamesItsExposure(t *testing.T) {
	s := NewSigner(key)
	rapid.Check(t, func(t *rapid.T) {
		e := drawExposure(t)
		got, err := s.Read(s.Token(e))
		if err != nil || got != e {
			t.Fatalf("got %+v, %v; want %+v", got, err, e)
		}
	})
}

func TestATokenOfAnotherServerIsRefused(t *testing.T) {
	foreign := NewSigner(bytes.Repeat([]byte{8}, KeySize)).Token(Exposure{Rollout: 1})
	if e, err := NewSigner(key).Read(foreign); problem.CodeOf(err) != problem.Invalid {
		t.Errorf("got %+v, %v; want an invalid error", e, err)
	}
}

func TestAChangedTokenIsRefused(t *testing.T) {
	s := NewSigner(key)
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(s.Token(drawExposure(t)))
		i := rapid.IntRange(0, len(token)-1).Draw(t, "position")
		c := rapid.SampledFrom([]byte("ABCxyz019-_!")).Draw(t, "character")
		if token[i] == c {
			return
		}
		token[i] = c
		e, err := s.Read(string(token))
		if err == nil {
			t.Fatalf("position %d changed to %q was read as %+v", i, c, e)
		}
	})
}

func TestACutOrEmptyTokenIsRefusedWithWhatToDo(t *testing.T) {
	s := NewSigner(key)
	for _, token := range []string{"", s.Token(Exposure{})[:20], strings.Repeat("A", 4096)} {
		_, err := s.Read(token)
		if problem.CodeOf(err) != problem.Invalid || !strings.Contains(err.Error(), "Belay-Assignment") {
			t.Errorf("token of %d characters: got %v", len(token), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	s := NewSigner(key)
	f.Add(s.Token(Exposure{Rollout: 3, Arm: split.Candidate}))
	f.Add(s.Token(Exposure{Rollout: 3, Segments: [MaxSegments]uint32{Mark("X-Country=DE"), 7}}))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		e, err := s.Read(token)
		if err == nil && s.Token(e) != token {
			t.Errorf("token %q is read as %+v, which signs to %q", token, e, s.Token(e))
		}
	})
}

func BenchmarkToken(b *testing.B) {
	s, e := NewSigner(key), Exposure{Rollout: 1, Arm: split.Candidate, Time: time.UnixMilli(1)}
	dst := make([]byte, 0, TokenLen)
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Append(dst[:0], e)
	}
}
