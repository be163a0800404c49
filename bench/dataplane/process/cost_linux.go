package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// CPU is the processor time of all living threads of the process and of its
// children since they began.
func (p *Process) CPU() (time.Duration, error) {
	var sum time.Duration
	err := p.each(func(pid int) error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return err
		}
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // The thread has ended meanwhile.
			}
			ran, err := runTime(string(text))
			if err != nil {
				return err
			}
			sum += ran
		}
		return nil
	})
	return sum, err
}

// Ticks is the processor time, of threads that have ended, too, in steps of
// 10 ms.
func (p *Process) Ticks() (time.Duration, error) {
	var sum time.Duration
	err := p.each(func(pid int) error {
		s, err := statOf(pid)
		sum += s.ticks
		return err
	})
	return sum, err
}

// Resident is the resident memory of the process and of its children, in bytes.
// Pages that they share count once for each.
func (p *Process) Resident() (int64, error) {
	var sum int64
	err := p.each(func(pid int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return err
		}
		bytes, err := resident(string(text))
		sum += bytes
		return err
	})
	return sum, err
}

// Busy is how long each core has run programs since the system began.
func Busy() (map[int]time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, err
	}
	return busy(string(text))
}

// each calls f for every process of the group.
func (p *Process) each(f func(pid int) error) error {
	if err := p.Ended(); err != nil {
		return err
	}
	members, err := group(p.pid)
	if err != nil {
		return err
	}
	for _, pid := range members {
		if err := f(pid); err != nil {
			return fmt.Errorf("%s (process %d): %w", p.name, pid, err)
		}
	}
	return nil
}

// group lists the processes of a group.
func group(id int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		s, err := statOf(pid)
		switch {
		case errors.Is(err, errNoProcess):
		case err != nil:
			return nil, err
		case s.group == id:
			out = append(out, pid)
		}
	}
	return out, nil
}

var errNoProcess = errors.New("the process has ended")

func statOf(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("%w: %w", errNoProcess, err)
	}
	return parseStat(string(text))
}
