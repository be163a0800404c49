// Package demo is the main job on real input: a real model that serves, four versions that want to take its place, and
// Belay deciding about each of them under traffic.
//
// It promises to be a user of the product and nothing more. It starts the whole server in its own process, on free ports
// of the loopback address and in a temporary directory, and then does only what anybody can do: it applies files, sends
// requests to the traffic address, reports outcomes, and follows rollouts, all through the public API. Networks are
// trained when it starts, requests and answers go over real sockets, and what is wrong with a bad version is declared
// beforehand (see Candidates). How a rollout ends is decided by Belay from what it sees; no ending is arranged, and an
// ending that is not the one expected is told as such and is an error.
//
//	traffic (held-out digits) --> router --> v1            (baseline)
//	    |                            \-----> v2 … v5       (candidate)
//	    \-- labels, a second later --> POST /api/v1/outcomes
//
// It keeps nothing: whatever way Run ends, by itself, by an error or by its context, the traffic stops first, then the
// server, then the model servers, and the directory is removed, each in bounded time. A rollout that does not end in its
// time is aborted and counts as unexpected. A machine that cannot keep up with the traffic is told so.
package demo
