// Package stats holds the sequential statistics by which a rollout is judged.
//
// It turns sums into evidence. Every function takes sufficient statistics
// (how many requests each arm served in each stratum, and how many of them
// were bad, or what their values added up to) and answers with the logarithm of an e-value: a number whose
// expectation is at most one while the null hypothesis holds, whenever and
// however often one looks (Ville's inequality). An e-value of 1/alpha is
// therefore proof at level alpha at any time, and a rollout may be judged
// every second without paying for the looks.
//
// # What there is
//
//   - Counts.LogERatio (Engine R): a relative margin on the rate of a bad
//     event, by the conditional binomial likelihood "which arm did this event
//     come from" (Lindon and Malek, arXiv:2011.03567; stratified as in
//     arXiv:2302.11401). Latency quantiles use it too: the event is then
//     "slower than the margin times the baseline's quantile", and the margin
//     on the log ratio is 0.
//   - Counts.LogEDiff (Engine D): a margin that is a difference, or affine in
//     the baseline's rate, by the profile likelihood (the constrained maximum
//     of Miettinen and Nurminen, Statistics in Medicine 4, 1985).
//   - Counts.LogEIgnoreFail and LogEIgnorePass: a relative margin together
//     with a level under which nothing matters.
//   - LogEBernoulli: one arm against a fixed rate (ceilings).
//   - LogENormal and LogENormalMix: the one-sided normal mixture (Howard,
//     Ramdas, McAuliffe and Sekhon, arXiv:1810.08240), which the others
//     approach as counts grow.
//   - Means.LogE (Engine M): a relative margin on a mean or on a ratio of sums,
//     by that mixture on a linear contrast, with variances that a skewed metric
//     cannot talk down (RatioArm for ratios over units, Covariate for values
//     adjusted by what was known before).
//   - GaugeLogE: a margin on a gauge whose windows resemble each other, by batch
//     means.
//   - Drift.Bounds: how far two distributions lie apart, by a band around both
//     that holds for all times (Howard and Ramdas, arXiv:1906.09712).
//   - LogESRM: the sample-ratio mismatch test (arXiv:2011.03567).
//   - ScorePhi, SandwichPhi, DiffPhi, BernoulliPhi: dispersion from hash buckets,
//     by which a likelihood is tempered where requests of one user resemble
//     each other.
//   - WindowPhi, RatioBursts, DiffBursts: dispersion from windows of time, where
//     the events of one arm come in bursts.
//   - GateLogE, AverageLogE: averages of e-values, valid under any dependence
//     and the only admissible way to merge them so (Vovk and Wang,
//     arXiv:1912.06116; Wang, arXiv:2409.19888).
//   - Crossing, Growth, RateDrift, MeanInformation: what plans are made of, when
//     evidence will cross a threshold.
//   - Bounds, which invert the very same e-values, so that a bound and a
//     verdict can never contradict each other.
//
// # Promises
//
// Everything is float64 and in natural logarithms: "logE >= ln(1/alpha)" is
// the only comparison a caller makes. Everything is a pure function of its
// arguments: no clock, no chance, no state, and the same arguments give the
// same bits. Nothing here panics. Input that cannot be (NaN, infinities,
// negative counts, more events than exposures where that matters) and input
// that says nothing (an empty arm, no event) give a log e-value of 0, which
// is no verdict, and a bound of plus or minus infinity, which is no bound.
// Counts may be fractional, since some sources estimate them.
//
// Which stratum an observation belongs to, when a gate is active, and what
// follows from an e-value are decided elsewhere; this package never sees a
// rollout.
//
// # What is exact and what is not
//
// LogERatio is exact for independent events when the exposure ratio is known,
// and asymptotic with realised exposures, with a dispersion other than 1 and
// with an estimated quantile threshold. LogEBernoulli (without dispersion) and
// LogESRM are exact.
// LogEDiff is asymptotic in the baseline's counts; Means and gauges are
// asymptotic in their numbers of values other than zero and of effectively
// independent windows, below which they are silent. Drift.Bounds is exact for
// independent observations. The tests of this package check the exact parts by
// enumeration and the others by simulation.
package stats
