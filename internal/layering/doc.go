// Package layering keeps the arrows of the house straight.
//
// It holds tests only. They read one table, rooms, that says for each part of
// the tree what it may import and why, and compare it with what `go list`
// reports. By parsing the sources they also hold the rules that an import path
// cannot express: the core reads no clock, environment, file or global chance
// and starts no goroutine; every package and every exported name carries a
// doc; no package has a name that says nothing; the command line touches the
// server only where it starts one.
//
// A new arrow is a new entry in the table together with an architecture
// decision record. The depguard section of .golangci.yml is written from the
// same table by `make generate`, so the editor says what the tests say.
package layering
