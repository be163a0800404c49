// Package field is the machinery of a table of fields: one row for each key of a
// kind of object, from which follow decoding, "did you mean", defaults, the
// laying of one object over another, writing, and a JSON Schema.
//
// It promises that these cannot differ, because all of them walk the same rows:
// what the schema takes by its types Object takes, what Encode writes Object
// reads, and what a row says as its default is read by the row itself. A Decoder
// collects every problem of a document and never stops at the first. The package
// knows no row; package spec writes them.
package field
