// Package report writes what a contest came to: the claims and whether they hold,
// tables and plots, as a page of Markdown and figures of SVG beside it.
//
// A rate breaks a bound when the lower 99 % limit of what was measured lies above
// it (Clopper and Pearson, Biometrika 26, 1934). What was measured is written
// whatever it is; the package decides nothing but that.
package report
