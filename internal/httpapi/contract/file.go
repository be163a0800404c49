package contract

import (
	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/store"
)

// Model turns a kept model into one of the contract.
func Model(m store.Model) api.Model {
	out := api.Model{
		Name: m.Name, Protocol: string(m.Protocol), Unit: unitText(m.Unit), Revision: m.Revision, Source: string(m.Source),
		Serving: api.Version{Version: m.Serving.Name, URL: m.Serving.URL}, CooldownUntil: m.CooldownUntil.UTC(),
	}
	if m.CooldownUntil.IsZero() {
		out.CooldownUntil = m.CooldownUntil
	}
	if m.Match != (table.Match{}) {
		out.Match = &api.Match{Host: m.Match.Host, PathPrefix: m.Match.PathPrefix, Header: m.Match.Header, HeaderValue: m.Match.HeaderValue}
	}
	return out
}

func unitText(u table.Unit) string {
	if u.Name == "" {
		return string(u.Source)
	}
	return string(u.Source) + ":" + u.Name
}

// Policy turns a kept policy into one of the contract.
func Policy(p command.Policy) api.Policy {
	return api.Policy{Name: p.Name, Preset: p.Preset, Revision: p.Revision, Source: string(p.Source)}
}
