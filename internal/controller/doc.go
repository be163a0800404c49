// Package controller is the loop: it looks at every running rollout once a
// second, decides, stores, and moves the traffic.
//
//	collect ─► snapshot ─► judge ─► rollout.Decide ─► Commit ─► table ─► read back
//	                                      └ a rollback: table first, with an intent
//	                                        made durable beside it, then Commit
//
// Each running rollout has one worker, and every table is built from all models
// and all rollouts, so the step of one never loses the route of another. A
// worker has at most one decision on its way to the store. It goes on looking
// meanwhile, so that a slow store delays no rollback; it advances only when the
// decision to do so is stored, and it takes nothing for served that it has not
// read back.
//
// When its neighbours fail: without the store the traffic stays as it is,
// rollbacks still take place and are stored when the store is back, and nothing
// advances. Without the data plane a rollout holds. A fault of the loop itself
// in one rollout (a panic) is shown there, and leaves the others alone. A
// process that comes back resumes every rollout at its stage, with its salt and
// its evidence, and a rollback of which it finds only the intent starts at
// weight 0 and is finished.
package controller
