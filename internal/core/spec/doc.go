// Package spec reads the files that users write: models, policies and rollouts.
//
// The way of a file is one line:
//
//	bytes ─ Parse ─► File (Model, Policy, Rollout) ─ Resolve ─► Resolved ─ Unsupported ─► what cannot run
//
// and each package below it is one part of Parse:
//
//	document   bytes ↔ trees of values with places, problems
//	value      single values: quantities, durations, names, addresses
//	field      the machinery of a table of fields
//	spec       the table itself (table_*.go), checks, presets, resolution
//
// It promises that a file is understood wholly or refused: an unknown field, a
// wrong unit or a plan that contradicts itself is a Problem with line, column,
// path and what to do, and all problems of a file come at once. Decoding,
// defaults, "did you mean" and the JSON Schema come from one table of fields,
// so that they cannot differ. Whatever the bytes are, Parse returns: size,
// depth, documents and nodes are bounded before they are read.
//
// The parser knows the whole format; what this version cannot run yet is named,
// field by field, by Unsupported. The package is pure: it opens no file, knows
// no server and no clock, and the same bytes give the same value for ever.
// Resolved has a canonical JSON form that may be stored and hashed.
package spec
