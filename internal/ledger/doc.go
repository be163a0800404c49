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
// It judges nothing and moves no traffic. What is held in memory is bounded:
// units are sampled beyond a million per rollout, and batches of outcomes are
// turned away (Busy) while too many wait for the store. If the store fails,
// counting goes on, flushing is tried again, and nothing that reads the
// evidence waits.
package ledger
