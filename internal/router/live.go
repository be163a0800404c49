package router

import (
	"reflect"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/router/protocol"
	"github.com/belay-rollouts/belay/internal/router/tap"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// live is a table with everything that requests need to follow it. It never
// changes.
type live struct {
	table  *table.Table
	routes map[*table.Route]*route
}

// route is a model in a live table.
type route struct {
	is       *table.Route
	unit     protocol.Attribute
	baseline *upstream.Endpoint
	counts   *modelCounts
	// While a rollout runs:
	split     *table.Split
	candidate *upstream.Endpoint
	rollout   *rollout
	recorder  *tap.Recorder     // nil where nothing is compared
	outputs   *protocol.Outputs // nil where none are read
	segments  []segment
	inBody    bool // an attribute of the request is found in its body
}

// compiled is a live table, and what of the old one it keeps.
type compiled struct {
	live      *live
	recorders []*tap.Recorder
	endpoints map[upstream.Spec]bool
	rollouts  map[uint64]*rollout
}

// compile opens what a table needs: endpoints begin to be probed and warmed
// before the first request follows the table.
func (r *Router) compile(t *table.Table) (*compiled, error) {
	c := &compiled{
		live:      &live{table: t, routes: make(map[*table.Route]*route, len(t.Routes))},
		endpoints: map[upstream.Spec]bool{},
		rollouts:  map[uint64]*rollout{},
	}
	if err := check(t); err != nil {
		return nil, err
	}
	for _, is := range t.Routes {
		out := &route{is: is, split: is.Split, counts: r.modelCounts(is.Model)}
		out.baseline = r.open(c, is, is.Baseline)
		if is.Split != nil {
			r.joinRollout(c, out)
		}
		c.live.routes[is] = out
	}
	return c, nil
}

// check refuses a table that requests could not follow, before anything of it
// is opened.
func check(t *table.Table) error {
	for _, is := range t.Routes {
		versions := []table.Version{is.Baseline}
		if is.Split != nil {
			versions = append(versions, is.Split.Candidate)
			if is.Split.Layout == nil && is.Split.Stratum != table.NoStratum {
				return problem.New(problem.Invalid, "model %q: rollout %q has no evidence layout", is.Model, is.Split.Name)
			}
		}
		for _, v := range versions {
			if v.URL == nil || v.URL.Host == "" || (v.URL.Scheme != "http" && v.URL.Scheme != "https") {
				return problem.New(problem.Invalid, "model %q: version %q has no address such as http://host:port", is.Model, v.Name)
			}
		}
	}
	return nil
}

func (r *Router) open(c *compiled, is *table.Route, v table.Version) *upstream.Endpoint {
	spec := upstream.Spec{URL: v.URL.String(), Protocol: is.Protocol, Model: is.Model}
	c.endpoints[spec] = true
	return r.set.Open(spec, v.URL)
}

// joinRollout finds or begins the rollout of a route.
func (r *Router) joinRollout(c *compiled, out *route) {
	s := out.split
	out.attributes(s.Segments)
	out.candidate = r.open(c, out.is, s.Candidate)
	out.rollout = r.rollouts[s.Rollout]
	if out.rollout == nil {
		out.rollout = &rollout{number: s.Rollout, name: s.Name}
	}
	c.rollouts[s.Rollout] = out.rollout
	if s.Stratum == table.NoStratum {
		return
	}
	if out.rollout.layout == nil {
		out.rollout.layout = s.Layout
		out.rollout.outputs = protocol.NewOutputs(out.is.Protocol, s.Layout.Outputs)
	}
	// A layout never changes while its rollout runs. If it does all the same,
	// what was counted must stay readable, and the table must still take effect:
	// it may be a rollback.
	if layout := out.rollout.layout; layout != s.Layout && !sameLayout(layout, s.Layout) {
		r.log.Error("evidence layout changed under a running rollout; the first one stays", "rollout", s.Name)
	}
	out.outputs = out.rollout.outputs
	out.recorder = r.tap.Open(tap.Stratum{Rollout: s.Rollout, Stratum: s.Stratum, Layout: out.rollout.layout, Edges: s.Edges, Scales: s.Scales})
	c.recorders = append(c.recorders, out.recorder)
}

// attributes prepares to find the unit and the segments of a request.
func (t *route) attributes(segments []table.Unit) {
	t.unit = protocol.NewAttribute(t.is.Unit)
	t.inBody = t.unit.InBody()
	for _, by := range segments[:min(len(segments), assignment.MaxSegments)] {
		s := segment{prefix: by.Name + "=", attribute: protocol.NewAttribute(by)}
		t.inBody = t.inBody || s.attribute.InBody()
		t.segments = append(t.segments, s)
	}
}

func sameLayout(a, b *evidence.Layout) bool { return reflect.DeepEqual(a, b) }

// match returns the route of a request, or nil.
func (l *live) match(x *exchange) *route {
	is := l.table.Match(x.host, x.path, x.header)
	if is == nil {
		return nil
	}
	return l.routes[is]
}
