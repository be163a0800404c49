package process

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat and /proc/stat; USER_HZ is 100
// on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// runTime reads the time that a thread has run out of its schedstat.
func runTime(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return 0, fmt.Errorf("schedstat has %d fields, not 3: %q", len(fields), text)
	}
	ns, err := strconv.ParseInt(fields[0], 10, 64)
	return time.Duration(ns), err
}

// stat is what is wanted of /proc/PID/stat.
type stat struct {
	group int
	ticks time.Duration // user and system
}

// parseStat reads /proc/PID/stat. A name may hold anything, so that the fields
// are counted from its closing bracket.
func parseStat(text string) (stat, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("stat names no program: %q", text)
	}
	fields := strings.Fields(text[end+1:])
	const group, user, system = 2, 11, 12 // fields 5, 14 and 15 of the line
	if len(fields) <= system {
		return stat{}, fmt.Errorf("stat ends after %d fields: %q", len(fields), text)
	}
	var numbers [3]int64
	for i, at := range []int{group, user, system} {
		n, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("stat: %w", err)
		}
		numbers[i] = n
	}
	return stat{group: int(numbers[0]), ticks: time.Duration(numbers[1]+numbers[2]) * tick}, nil
}

// resident reads the resident memory, in bytes, out of /proc/PID/status.
func resident(text string) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("status: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("status tells no memory; the process has ended")
}

// busy reads out of /proc/stat for how long each core has run programs, or the
// kernel for them: interrupts of the network, too, which the scheduler counts as
// time of the program that they came upon.
func busy(text string) (map[int]time.Duration, error) {
	out := map[int]time.Duration{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !strings.HasPrefix(fields[0], "cpu") || fields[0] == "cpu" {
			continue
		}
		core, err := strconv.Atoi(fields[0][len("cpu"):])
		if err != nil {
			return nil, fmt.Errorf("/proc/stat: %w", err)
		}
		const user, nice, system, irq, softirq = 1, 2, 3, 6, 7
		for _, at := range []int{user, nice, system, irq, softirq} {
			n, err := strconv.ParseInt(fields[at], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("/proc/stat: %w", err)
			}
			out[core] += time.Duration(n) * tick
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("/proc/stat tells of no core")
	}
	return out, nil
}
