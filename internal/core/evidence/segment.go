package evidence

import "slices"

const (
	// MaxSegments bounds the segments that are looked at by themselves.
	MaxSegments = 64
	// OtherSegment is what all further segments are together.
	OtherSegment = "other"
)

// Segment is the evidence of the requests that share an attribute: a country, a
// tenant. They are counted in the whole as well.
type Segment struct {
	Name string `json:"name"`
	// Strata are by the same index as Evidence.Strata; nil where nothing was seen.
	Strata []*Stratum `json:"strata"`
}

// SegmentStratum returns stratum i of a segment, making room for it. Segments
// stay in the order in which they were first seen, which is what their part of
// alpha depends on. It returns nil beyond MaxStrata.
func (e *Evidence) SegmentStratum(l *Layout, name string, i int) *Stratum {
	whole := e.Stratum(l, i)
	if whole == nil {
		return nil
	}
	s := e.segment(name)
	for len(s.Strata) <= i {
		s.Strata = append(s.Strata, nil)
	}
	if s.Strata[i] == nil {
		s.Strata[i] = NewStratum(l)
		s.Strata[i].Narrow = true
		s.Strata[i].Scales = slices.Clone(whole.Scales)
		s.Strata[i].Edges = slices.Clone(whole.Edges)
	}
	return s.Strata[i]
}

// segment finds a segment or adds it, or OtherSegment once there are too many.
func (e *Evidence) segment(name string) *Segment {
	for _, s := range e.Segments {
		if s.Name == name {
			return s
		}
	}
	if len(e.Segments) >= MaxSegments && name != OtherSegment {
		return e.segment(OtherSegment)
	}
	s := &Segment{Name: name}
	e.Segments = append(e.Segments, s)
	return s
}

// everyStratum calls yield for each stratum of the whole, what waits for it
// included, and of the segments.
func (e *Evidence) everyStratum(yield func(s *Stratum)) {
	e.counted(func(s *Stratum) bool {
		yield(s)
		return true
	})
	for _, segment := range e.Segments {
		for _, s := range segment.Strata {
			if s != nil {
				yield(s)
			}
		}
	}
}
