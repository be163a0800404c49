package measure

import "strings"

// processor reads the name of the processor out of /proc/cpuinfo.
func processor(text string) string {
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// averages reads the load averages out of /proc/loadavg.
func averages(text string) string {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return ""
	}
	return strings.Join(fields[:3], ", ")
}
