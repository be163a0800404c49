// Package simulate plays rollouts in virtual time, request by request, to tell
// before one starts how often it would be rolled back without a reason, how often
// and how fast it would catch a regression, and what that costs.
//
//	the user's file ─ Prepare ─┐
//	a scenario ────────────────┴► World ─ Run ─► Result (rates, times, exposure, harm)
//
// It promises that what judges and decides is what judges and decides in
// production: core/rollout.Judge and Decide, over the same evidence, with the
// user's own dwell times, gates and alpha. Time is virtual and never scaled. Equal
// worlds and seeds give equal results, bit by bit, however many workers there are,
// and every rate comes with the interval within which chance leaves it.
//
// What is not simulated: the router's own cut-off of a candidate that fails hard
// (which comes sooner than any gate), approvals and pauses, and faults of Belay
// itself. The package reads no file and no clock; who starts a Run may cancel it
// and gets what is known by then.
package simulate
