// Package planner says, before a rollout begins, what its gates can see at a
// given traffic: how many samples each stage gets, which harm each gate catches
// with 80 % and 90 % power and when, which margin it can prove, how many requests
// a bad candidate harms until then, and how long it takes to 100 % when nothing
// is wrong.
//
// It asks the very code that judges a rollout. For each moment of the ladder it
// looks for the candidate's level at which the gate's own e-value, of the samples
// that will be there by then, reaches its threshold (package gate), and follows
// many rollouts with chance counts until they cross that boundary. Shares of
// alpha, priors, the terms of each stage, ceilings, warm-up and horizons are
// therefore those of production, and none of them is written here a second time.
// The counts of chance are those of independent requests, or of requests in
// clumps of the size of the dispersion; where few events decide, their graininess
// is kept.
//
// Everything is a pure function of the plan and the traffic: the same arguments
// give the same numbers, because chance comes from a fixed seed. Nothing here
// reads a clock, a file or a server. What is not known of the traffic is assumed
// and said (Outlook.Assumed), never guessed in silence; what cannot be assumed is
// an error with what to write. Traffic is taken to be steady: nights, weekends and
// changes of the baseline by time are not in it.
package planner
