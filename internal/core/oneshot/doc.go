// Package oneshot judges a sample of fixed size by a single look: the checks
// before a rollout, a file of observations in a pipeline.
//
// Looking once costs less than watching. Where package stats asks for an e-value
// of 1/alpha at any time, a p-value of alpha suffices here, which is two and a
// half times as easy. The price is that the size of the sample must not depend on
// what was seen in it: whoever looks again after adding data must use package
// stats.
//
// A Test knows a quantity (a ratio, a difference, a level) and answers with the
// p-value of the claim that the quantity lies beyond a margin in a direction. A
// gate that a candidate must not break asks for "beyond" in the direction of
// harm; a gate that it must prove asks in the other one. Bounds are the
// inversion of the very same p-values, so a bound and a verdict can never
// contradict each other. Holm corrects for several gates.
//
//   - Rates: the ratio of two rates, exact given the number of events.
//   - Ignoring: the same, with a level under which nothing matters.
//   - Differences: a difference of rates, or a margin affine in the baseline's,
//     by the score of Miettinen and Nurminen and the root of the likelihood.
//   - Ceiling: one rate against a fixed one, exact.
//   - Means: a relative margin on a mean or a ratio of sums, by a t-test on a
//     linear contrast. Shift: a mean against a fixed number.
//   - PairedRates and PairedMeans: the same rows seen by both versions.
//   - Quantiles: a relative margin on a quantile, by exact counts of
//     exceedances.
//   - Drift: the distance of two distributions.
//
// Rates of one stratum, Ceiling, Quantiles and Drift keep their level exactly, as
// does PairedRates against 0. The others keep it as samples grow; with fewer than
// ten events, Differences and PairedRates at 5 % were wrong in up to 7 % of all
// samples, and mostly in less than 5 %. The tests of this package count it over
// all outcomes.
//
// Everything is a pure function of its arguments. Nothing here panics. Input that
// cannot be (NaN, infinities, negative counts), and input that says nothing (an
// empty arm, no event), gives a p-value of 1, which is no evidence, and infinite
// bounds.
package oneshot
