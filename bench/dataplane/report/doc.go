// Package report writes what the measurements of the data plane came to: the
// claims and whether they are met, tables and plots, as a page of Markdown and
// figures of SVG beside it.
//
// Figures are medians over the repetitions, with the least and the greatest. A
// ratio, and what a proxy adds, is taken within each repetition, where both
// sides were measured within minutes of each other, before the median is. What
// was not measured is named with its reason; nothing is judged beyond the
// claims.
package report
