// Package contest runs Belay and the rules of other tools on the same traffic and
// counts what became of it.
//
//	corpus.Case ─ stream.World ─┬─ Belay: evidence ─ rollout.Judge ─ rollout.Decide
//	                            └─ others: rule.Window ─ rule.Look
//
// In each repetition all rules run beside each other, minute by minute. Those that
// have asked for the same weights so far share a stream, so they see the very same
// requests; when they part, the stream is forked. Belay's side is the code that
// production runs, over evidence of the same form; only the looks are rarer, once
// a minute at most, where production looks every second. The router's own cut-off
// and its shield are left out: they would only help.
//
// Equal seeds give equal results, however many workers there are.
package contest
