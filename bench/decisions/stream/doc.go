// Package stream draws what a rollout sees of a scenario, minute by minute: not
// request by request but the counts that come of them, which takes a thousandth
// of the time and has the same distribution.
//
//	Model (a scenario) ─ World (one draw of it) ─ Stream (one course of weights) ─ Minute
//
// Requests are a Poisson process in each minute, whose rate and whose chances may
// change from minute to minute. What happens to them splits it into independent
// Poisson processes: by arm, by bucket of latency, by outcome. Sums of those are
// drawn, over all users of an arm where there are users. Everything that does not
// depend on the weight (who the users are, bursts) belongs to the World and is the
// same for all rules; and two streams of a world that have had the same weights
// show the very same minutes.
//
// What is simplified: effects and the daily cycle stand still within a minute and
// move latencies by whole buckets of 1 %; reports are drawn apart from the
// requests that they are about; a lognormal worth takes 128 values. The
// package draws no verdicts, and asks no clock.
package stream
