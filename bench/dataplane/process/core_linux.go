package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cores lists the cores that this process may run on.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the cores: %w", err)
	}
	var out []int
	for core := range len(set) * 64 {
		if set.IsSet(core) {
			out = append(out, core)
		}
	}
	return out, nil
}

// onCore calls start in a thread that runs on one core: what it starts inherits
// that. The thread gets its cores back.
func onCore(core int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("ask for the cores: %w", err)
	}
	if err := pin(0, core); err != nil {
		return err
	}
	err := start()
	if back := unix.SchedSetaffinity(0, &before); back != nil && err == nil {
		return fmt.Errorf("give the cores back: %w", back)
	}
	return err
}

// pin keeps a thread on a core; 0 is the one that calls.
func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("run on core %d: %w", core, err)
	}
	return nil
}

// Move takes the process and its children to another core.
func (p *Process) Move(core int) error {
	return p.each(func(pid int) error {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		for _, e := range threads {
			thread, err := strconv.Atoi(e.Name())
			if err != nil {
				return err
			}
			if err := pin(thread, core); err != nil && !ended(err) {
				return err
			}
		}
		return nil
	})
}
