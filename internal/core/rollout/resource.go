package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Resource is a gauge of the plan and what is asked of the servers for it.
type Resource struct {
	Gauge string `json:"gauge"` // as the layout names it
	Query string `json:"query"` // see core/query
}

// Source is what is known of the source of a gauge.
type Source struct {
	Gauge string `json:"gauge"`
	// Since is since when windows have been taken without a break; zero while
	// none can be: before the start, off the asked weight, within a warm-up.
	Since time.Time `json:"since,omitzero"`
	// Complete is the end of the last window in which both arms had a value; zero
	// before the first.
	Complete time.Time `json:"complete,omitzero"`
	// Missing says where a value was missing in the last window, and why; empty
	// when it was complete.
	Missing string `json:"missing,omitempty"`
}

// Scraped is where the servers of a version tell of themselves.
func (v Version) Scraped() []string {
	if len(v.Metrics) > 0 {
		return v.Metrics
	}
	return []string{spec.DefaultMetrics(v.URL)}
}

// Caveat is what a person must know before believing a gate, whatever it says;
// empty for nothing. A resource that is read from one server of a version is that
// server's as much as the version's: a neighbour on the same machine, another
// processor, an older kernel look like the new version.
func (p *Plan) Caveat(g *gate.Gate) string {
	if g.Kind != gate.Gauge {
		return ""
	}
	which := "one server each"
	switch b, c := len(p.Baseline.Scraped()), len(p.Candidate.Scraped()); {
	case b > 1 && c > 1:
		return ""
	case b > 1:
		which = "one server of " + p.Candidate.Name
	case c > 1:
		which = "one server of " + p.Baseline.Name
	}
	return which + ": the version and the server cannot be told apart"
}

// Equal reports whether two versions are the same, at the same addresses.
func (v Version) Equal(o Version) bool {
	return v.Name == o.Name && v.URL == o.URL && slices.Equal(v.Scraped(), o.Scraped())
}

// resource adds what is asked for a gauge to the plan.
func (p *Plan) resource(r spec.ResolvedGate) {
	if r.Source == spec.SourceScrape {
		p.Resources = append(p.Resources, Resource{Gauge: r.Metric, Query: r.Query})
	}
}

// Windows of resources. A gate wants twenty that are independent, and four windows
// are seldom worth less than one of those, so eighty to a dwell let it be decided
// within its stage. More often than once a second no server is asked.
const (
	windowsPerDwell = 80
	longestWindow   = 15 * time.Second
	shortestWindow  = time.Second
	readingsPer     = 3
)

// Window is how long a window of resources lasts at the stage, and how many
// readings of the servers it has.
func (s Stage) Window() (length time.Duration, readings int) {
	length = min(max((s.Dwell-s.Warmup)/windowsPerDwell, shortestWindow), longestWindow)
	return length, max(1, min(readingsPer, int(length/shortestWindow)))
}

// A source is down when no window was complete for so many windows, and for so
// long.
const (
	downWindows = 5
	downAfter   = 2 * time.Minute
)

// down names the gate whose source has been down for the longest: one that
// decides here, and has had no complete window for too long, while windows were
// taken.
func (d *deciding) down() (i int, lapse time.Duration, found bool) {
	if d.comparesNothing() {
		return 0, 0, false
	}
	window, _ := d.stage().Window()
	limit := max(downWindows*window, downAfter)
	for at := range d.Plan.Gates {
		if d.Plan.Gates[at].Kind != gate.Gauge || !d.counts(at) {
			continue
		}
		source, known := d.source(at)
		lasts := d.lasts(ReasonSourceDown, source.Complete)
		if !known || source.Since.IsZero() && !lasts {
			continue
		}
		l := d.Now.Sub(d.measuredSince(source))
		if lasts && l < limit {
			l = max(l, d.faulty(ReasonSourceDown))
		}
		if (lasts || l >= limit) && (!found || l > lapse) {
			i, lapse, found = at, l, true
		}
	}
	return i, lapse, found
}

// source is what is known of the source of a gate.
func (d *deciding) source(i int) (Source, bool) {
	for _, s := range d.Traffic.Sources {
		if s.Gauge == d.Plan.Gates[i].Name {
			return s, true
		}
	}
	return Source{}, false
}

// measuredSince is when the last window was complete, or since when one could
// have been.
func (d *deciding) measuredSince(s Source) time.Time {
	return d.since(s.Complete, s.Since)
}

func (d *deciding) sourceDownSentence() string {
	i, lapse, _ := d.down()
	source, _ := d.source(i)
	why := source.Missing
	if why == "" {
		why = "no window is complete"
	}
	return fmt.Sprintf(" at %s: %s cannot be measured for %s: %s.", d.at(), d.Plan.Gates[i].Name, brief(lapse), why)
}
