// Package check judges files of observations by the gates of a policy: what
// `belay check` does, for pipelines and for the results of shadows.
//
//	files ─ row ─► rows ─ column ─► what they say ─► evidence (and pairs) ─ judge ─► Report
//
// It promises that nothing is judged that was not read: every row is counted, or
// named as bad with its reason and its line, and more bad rows than are allowed
// are an error and no verdict. What is kept of a file is evidence (package
// evidence) and, where rows of both arms answer the same request, one value a
// gate and row until its partner has come; so files may be larger than memory,
// and what is paired has a bound.
//
// By default every test is made for one look at a sample whose size was fixed
// beforehand (package oneshot). Who looks again while the files grow asks for
// Anytime, under which the e-values of a rollout judge (package gate).
//
// The package opens no file and knows no server; files come as Sources. Same
// files, same answer: there is no chance and no clock in it.
package check
