// Package corpus holds the cases of the comparison: worlds and what happens in
// them, what each case is to show, and the policies that Belay is run with.
//
// The scenarios are written in the format that `belay simulate` reads. What a
// case is to show is written down here and not derived from how it comes out.
package corpus
