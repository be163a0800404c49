// Package ledger keeps the evidence of rollouts: what the data plane saw, and
// what applications report afterwards.
//
//	traffic.Target ─ Collect ─►  book of a rollout  ─ Take ─► judge, controller
//	applications   ─ Report  ─►   (one per rollout)  ─ Flush ─► store, every 2 s
//
// It promises that every batch and every outcome is counted once, in the
// stratum of its exposure, whenever it comes: an outcome that is sent twice, in
// one request or in two at the same time or after a restart, is counted once.
// Evidence is durable at most two seconds after it was counted, outcome ids in
// the same transaction; a decision's evidence is durable with the decision.
//
// A metric with a horizon counts an exposure when it has that age, with what came
// until then, so that both arms are seen at the same age however fast their
// outcomes come in. Until then it waits in cohorts, which are stored with the
// evidence and which no decision reads, in slots of a thirty-second of the horizon.
// An outcome's age is that of its exposure; requests are counted from when they
// were collected, a second or two later.
//
// It judges nothing and moves no traffic. What is held in memory is bounded:
// units are sampled beyond a million per rollout, no more cohorts wait than a
// horizon has slots, at most some 20,000 numbers wait for the scale of their
// series, and batches of outcomes are turned away (Busy) while too many wait for
// the store. If the store fails,
// counting goes on, flushing is tried again, and nothing that reads the
// evidence waits.
package ledger
