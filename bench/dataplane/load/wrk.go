package load

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// WrkArgs are the arguments of wrk: one thread, so that it takes one core.
func WrkArgs(addr, script string, conns int, d time.Duration) []string {
	return []string{"-t1", "-c" + strconv.Itoa(conns), fmt.Sprintf("-d%ds", max(int(d.Seconds()), 1)), "--latency", "-s", script, "http://" + addr}
}

var (
	wrkTotal    = regexp.MustCompile(`(\d+) requests in ([\d.]+)(us|ms|s|m|h),`)
	wrkQuantile = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m|h)$`)
	wrkSockets  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

// ParseWrk reads what wrk writes.
func ParseWrk(text string) (Saturation, error) {
	m := wrkTotal.FindStringSubmatch(text)
	if m == nil {
		return Saturation{}, fmt.Errorf("wrk tells no number of requests: %q", strings.TrimSpace(text))
	}
	var s Saturation
	var err error
	if s.Requests, err = strconv.Atoi(m[1]); err != nil {
		return Saturation{}, fmt.Errorf("wrk: %w", err)
	}
	if s.Took, err = time.ParseDuration(m[2] + m[3]); err != nil {
		return Saturation{}, fmt.Errorf("wrk: %w", err)
	}
	for _, m := range wrkQuantile.FindAllStringSubmatch(text, -1) {
		d, err := time.ParseDuration(m[2] + m[3])
		if err != nil {
			return Saturation{}, fmt.Errorf("wrk: %w", err)
		}
		if m[1] == "50" {
			s.P50 = d
		} else {
			s.P99 = d
		}
	}
	for _, pattern := range []*regexp.Regexp{wrkSockets, wrkStatus} {
		if m := pattern.FindStringSubmatch(text); m != nil {
			for _, field := range m[1:] {
				n, err := strconv.Atoi(field)
				if err != nil {
					return Saturation{}, fmt.Errorf("wrk: %w", err)
				}
				s.Failed += n
			}
		}
	}
	return s, nil
}
