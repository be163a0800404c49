package ledger

import (
	"encoding/json"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// page is one stratum, or one cohort, as of one moment. It never changes, and is
// encoded once.
type page struct {
	stratum *evidence.Stratum
	cohort  *evidence.Cohort // nil for a stratum
	encoded func() ([]byte, error)
}

// pages are those of what has not changed since they were made.
type pages map[*evidence.Stratum]*page

// newPage copies a stratum.
func newPage(l *evidence.Layout, s *evidence.Stratum) *page {
	c := evidence.NewStratum(l)
	c.Merge(s)
	for arm := range c.Sides {
		for i := range c.Sides[arm].Latency {
			c.Sides[arm].Latency[i].Compact()
		}
	}
	return &page{stratum: c, encoded: once(c)}
}

// cohortPage copies a cohort.
func cohortPage(l *evidence.Layout, c *evidence.Cohort) *page {
	copied := c.Clone(l)
	return &page{stratum: copied.Delta, cohort: copied, encoded: once(copied)}
}

func once(body any) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) { return json.Marshal(body) })
}

// edition is the evidence of one moment, in pages.
type edition struct {
	evidence *evidence.Evidence // of the pages' copies; it never changes
	strata   []*page
	segments [][]*page // nil where a segment has nothing in a stratum
	cohorts  []*page
}

// publish returns the evidence as of now, and the pages to have for the next
// time. What is in have need not be copied.
func publish(l *evidence.Layout, now *evidence.Evidence, have pages) (*edition, pages) {
	next := make(pages, len(have))
	of := func(s *evidence.Stratum) *page {
		p := have[s]
		if p == nil {
			p = newPage(l, s)
		}
		next[s] = p
		return p
	}
	e := &edition{evidence: &evidence.Evidence{Strata: make([]*evidence.Stratum, len(now.Strata))}, strata: make([]*page, len(now.Strata))}
	for i, s := range now.Strata {
		e.strata[i] = of(s)
		e.evidence.Strata[i] = e.strata[i].stratum
	}
	for _, segment := range now.Segments {
		copied := &evidence.Segment{Name: segment.Name, Strata: make([]*evidence.Stratum, len(segment.Strata))}
		list := make([]*page, len(segment.Strata))
		for i, s := range segment.Strata {
			if s != nil {
				list[i] = of(s)
				copied.Strata[i] = list[i].stratum
			}
		}
		e.segments = append(e.segments, list)
		e.evidence.Segments = append(e.evidence.Segments, copied)
	}
	for _, c := range now.Cohorts {
		p := have[c.Delta]
		if p == nil {
			p = cohortPage(l, c)
		}
		next[c.Delta] = p
		e.cohorts = append(e.cohorts, p)
		e.evidence.Cohorts = append(e.evidence.Cohorts, p.cohort)
	}
	return e, next
}
