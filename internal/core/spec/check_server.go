package spec

import (
	"fmt"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// servers counts the servers whose metrics are read.
func (v ResolvedVersion) servers() int { return max(1, len(v.Metrics)) }

// oneServer warns of resources that are compared between single servers: what
// one of them does by itself cannot be told from what its version does.
func (r *resolver) oneServer(resolved Resolved) (Warning, bool) {
	last := resolved.Last()
	b, c := last.Baseline, last.Candidate
	if b.servers() > 1 && c.servers() > 1 {
		return Warning{}, false
	}
	for i, g := range resolved.Gates {
		if g.Source != SourceScrape || g.Role == RoleInfo {
			continue
		}
		source, at := r.flat.where(document.Index("gates", i) + ".source")
		if source == nil || source.preset {
			source, at = r.rollout.Source, "spec"
		}
		return Warning{OneServer, source.Problem(at,
			fmt.Sprintf("%s is read from %s and %s: what one server does by itself looks like what its version does",
				g.Metric, counted(b), counted(c)),
			"write `metrics: [URL, URL]` with two servers or more of each version, and with one look at the server before you believe the gate")}, true
	}
	return Warning{}, false
}

func counted(v ResolvedVersion) string {
	if v.servers() == 1 {
		return "one server of " + v.Version
	}
	return fmt.Sprintf("%d servers of %s", v.servers(), v.Version)
}
