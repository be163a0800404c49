// Package command is what people and programs ask of the engine: to apply
// files, to start rollouts, to act on them, and to see how they stand.
//
// It promises that a request is carried out wholly or refused with a sentence
// that says why and what to do: a file is checked to the end before anything of
// it is stored, a candidate is looked at before it is let near traffic, and an
// act is decided by the same pure function that decides every tick. Whoever
// asks is recorded. What a person sees (Status, one type for every surface) is
// made from the very values that the last decision was made from.
//
// It moves no traffic and writes no decision itself: that is the controller's.
// When the store fails, requests fail with it and change nothing; rollouts that
// run are not touched by that. Readers of events are served from a bounded
// queue each, so that a slow one is told what it missed and delays nobody.
package command
