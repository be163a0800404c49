// Package draw draws the charts (SVG) and the tables (Markdown) of the pages in
// docs/benchmarks, so that all of them look alike and follow the reader's light
// or dark ground.
//
// It only draws: what is shown, in which order and in which words, is its
// callers' matter. The same values give the same bytes, so that a page changes
// only with what was measured.
package draw
