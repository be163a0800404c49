package spec

import (
	"cmp"
	"slices"
)

// Caution is the stable name of a kind of Warning.
type Caution string

const (
	// Unguarded means that no gate can roll the rollout back.
	Unguarded Caution = "Unguarded"
	// UnguardedAtEnd means that nothing is compared after the last increase,
	// because no baseline traffic is held back.
	UnguardedAtEnd Caution = "UnguardedAtEnd"
	// ManyGates means that there are more gates than a rollout can decide well.
	ManyGates Caution = "ManyGates"
	// OneServer means that a resource is compared between one server of each
	// version, or of one of them, so that what a server does by itself looks like
	// what its version does.
	OneServer Caution = "OneServer"
	// CountsUp means that a metric that is compared as a level is, by its name, a
	// total since the start of its server.
	CountsUp Caution = "CountsUp"
	// NotKept means that a preset asks for something that this version leaves out.
	NotKept Caution = "NotKept"
)

// Warning is something that is allowed and that its author should know.
type Warning struct {
	Caution Caution `json:"caution"`
	Problem
}

// sortWarnings puts warnings into the order of the file.
func sortWarnings(ws []Warning) []Warning {
	slices.SortStableFunc(ws, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return slices.Compact(ws)
}
