// Package rule holds the decision rules of other tools, rebuilt from their
// published descriptions, so that they can be run on the same traffic as Belay.
//
//	minute ─ Window ─► Rule.Look ─ Act ─► weight of the next minute
//
// A rule is a small pure machine: once a minute it gets what the tool that it
// stands for would see, and says which share of the traffic the candidate gets
// next, or that the rollout is over. It draws nothing, knows no clock, and sees
// nothing of what is true. Each rule is tested against its description; none is
// the tool itself. Where a description leaves something open, the choice that is
// kinder to the tool was made, and the rule's doc says so.
package rule
