package process

import (
	"strings"
	"testing"
	"time"
)

func TestTheRunTimeOfAThreadIsItsFirstNumber(t *testing.T) {
	t.Parallel()
	got, err := runTime("123456789 42 17\n")
	if err != nil || got != 123456789*time.Nanosecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "1 2", "many 2 3"} {
		if got, err := runTime(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestANameMayHoldAnything(t *testing.T) {
	t.Parallel()
	const rest = " S 1 4242 4242 0 -1 4194560 1000 0 0 0 250 75 0 0 20 0 5 0 12345 1000000 300\n"
	for _, name := range []string{"(nginx)", "(a b)", "(worker (1) of 2)", "())"} {
		got, err := parseStat("77 " + name + rest)
		if want := (stat{group: 4242, ticks: 3250 * time.Millisecond}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	for name, text := range map[string]string{"no name": "77 S 1 2", "too short": "77 (x) S 1 2 3", "no number": "77 (x)" + strings.Replace(rest, "250", "x", 1)} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func TestMemoryIsReadInBytes(t *testing.T) {
	t.Parallel()
	got, err := resident("Name:\tbelay\nVmHWM:\t   99999 kB\nVmRSS:\t   20480 kB\nThreads:\t7\n")
	if err != nil || got != 20480*1024 {
		t.Errorf("got %d, %v", got, err)
	}
	for name, text := range map[string]string{"a process that has ended": "Name:\tbelay\nState:\tZ (zombie)\n", "no number": "VmRSS:\tmuch kB\n"} {
		if got, err := resident(text); err == nil {
			t.Errorf("%s: read as %d", name, got)
		}
	}
}

func TestTheTimeOfACoreIsThatOfItsPrograms(t *testing.T) {
	t.Parallel()
	got, err := busy("cpu  30 3 6 2000 5 0 9 0 0 0\ncpu0 10 1 2 1000 5 0 9 0 0 0\ncpu12 20 2 4 1000 0 3 4 0 0 0\nintr 1 2 3 4\n")
	if err != nil || len(got) != 2 || got[0] != 220*time.Millisecond || got[12] != 330*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for name, text := range map[string]string{"no core": "cpu 1 2 3 4\n", "no number": "cpu0 1 x 3 4 5 6 7 8\n", "no core's number": "cpux 1 2 3 4 5 6 7 8\n"} {
		if got, err := busy(text); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
}
