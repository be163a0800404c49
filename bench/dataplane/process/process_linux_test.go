package process

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell starts a script.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	cores, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), Spec{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}, Core: cores[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func line(t *testing.T, p *Process) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, err := p.Line(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func alive(pid int) bool { return unix.Kill(pid, 0) == nil }

func TestAProcessEndsWithItsChildren(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"that ends when asked":  `sleep 1000 & echo $!; wait`,
		"that have to be asked": `trap 'kill $!; exit' TERM; sleep 1000 & echo $!; wait`,
		"that outlive it":       `sleep 1000 & echo $!; exit 3`,
		"that do not listen":    `trap '' TERM; sleep 1000 & echo $!; wait`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shell(t, script)
			var child int
			for _, c := range line(t, p) {
				child = child*10 + int(c-'0')
			}
			p.Stop()
			p.Stop()
			// Nobody waits for an orphan here: it is gone, or a zombie without memory.
			s, err := statOf(child)
			if err == nil && s.group == p.PID() {
				if text, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/status"); strings.Contains(string(text), "VmRSS") {
					t.Error("the child lives on")
				}
			}
			if p.Ended() == nil || alive(p.PID()) {
				t.Error("the process lives on")
			}
		})
	}
}

func TestAProcessEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cores, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(ctx, Spec{Name: "sleep", Path: "/bin/sleep", Args: []string{"1000"}, Core: cores[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	cancel()
	if err := p.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "sleep has ended") {
		t.Errorf("got %v", err)
	}
}

func TestAProcessIsSpokenWith(t *testing.T) {
	t.Parallel()
	p := shell(t, `read name; echo "hello $name"; read ignored; exit 0`)
	if err := p.Tell("nginx"); err != nil {
		t.Fatal(err)
	}
	if got := line(t, p); got != "hello nginx" {
		t.Errorf("got %q", got)
	}
	if err := p.Tell("end"); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Errorf("a good end is told as %v", err)
	}
	if got, err := p.Line(t.Context()); err == nil {
		t.Errorf("it said %q after its end", got)
	}
}

func TestAFailureTellsWhatTheProgramSaid(t *testing.T) {
	t.Parallel()
	p := shell(t, `echo "no such port" >&2; exit 7`)
	err := p.Wait(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "no such port") {
		t.Errorf("got %v", err)
	}
	if _, err := p.CPU(); err == nil {
		t.Error("a process that has ended tells its processor time")
	}
	if _, err := Start(t.Context(), Spec{Name: "none", Path: "/nowhere/none"}); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestWhatIsSaidIsBounded(t *testing.T) {
	t.Parallel()
	var said tail
	for range 100 {
		_, _ = said.Write([]byte(strings.Repeat("x", 1000)))
	}
	_, _ = said.Write([]byte("the end"))
	if len(said.text) != complaint || !strings.HasSuffix(said.quote(), "the end") {
		t.Errorf("%d bytes are kept", len(said.text))
	}
}

func TestTheCostOfAProcessAndItsChildrenIsSeen(t *testing.T) {
	t.Parallel()
	const work = `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done`
	p := shell(t, "("+work+"; echo done; sleep 1000) & wait")
	if got := line(t, p); got != "done" {
		t.Fatalf("got %q", got)
	}
	cpu, err := p.CPU()
	if err != nil || cpu < 5*time.Millisecond {
		t.Errorf("processor time %v, %v", cpu, err)
	}
	ticks, err := p.Ticks()
	if err != nil || (ticks-cpu).Abs() > 50*time.Millisecond+cpu/5 {
		t.Errorf("%v in ticks, %v by the scheduler, %v", ticks, cpu, err)
	}
	memory, err := p.Resident()
	if err != nil || memory < 100<<10 || memory > 100<<20 {
		t.Errorf("memory %d, %v", memory, err)
	}
	cores, err := Busy()
	if err != nil || len(cores) < 1 {
		t.Errorf("cores %v, %v", cores, err)
	}
}

func TestAProcessStaysOnItsCoreAndIsMoved(t *testing.T) {
	t.Parallel()
	cores, err := Cores()
	if err != nil || len(cores) < 2 {
		t.Skipf("needs two cores, has %v, %v", cores, err)
	}
	p := shell(t, "sleep 1000 & echo ready; wait")
	line(t, p)
	on := func() []int {
		var out []int
		members, err := group(p.PID())
		if err != nil || len(members) != 2 {
			t.Fatalf("the group is %v, %v", members, err)
		}
		for _, pid := range members {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(pid, &set); err != nil || set.Count() != 1 {
				t.Fatalf("%d may run on %d cores, %v", pid, set.Count(), err)
			}
			for _, core := range cores {
				if set.IsSet(core) {
					out = append(out, core)
				}
			}
		}
		return out
	}
	if got := on(); got[0] != cores[0] || got[1] != cores[0] {
		t.Errorf("it runs on %v, want %d", got, cores[0])
	}
	if err := p.Move(cores[1]); err != nil {
		t.Fatal(err)
	}
	if got := on(); got[0] != cores[1] || got[1] != cores[1] {
		t.Errorf("it was moved to %v, want %d", got, cores[1])
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil || own.Count() != len(cores) {
		t.Errorf("the starter may run on %d of %d cores, %v", own.Count(), len(cores), err)
	}
}

func TestASignalReachesTheProgram(t *testing.T) {
	t.Parallel()
	p := shell(t, `trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done`)
	line(t, p)
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if got := line(t, p); got != "caught" {
		t.Errorf("got %q", got)
	}
}
