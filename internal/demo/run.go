package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/demo/digits"
	"github.com/belay-rollouts/belay/internal/demo/modelserver"
)

const (
	// warmUp is how long v1 serves alone before the first rollout, so that every connection is warm.
	warmUp = time.Second
	// settleWithin is how long a rollout that has ended is waited for until its figures stand still.
	settleWithin = 5 * time.Second
	settleEvery  = 20 * time.Millisecond
	// quiet is how long the version that lost its traffic must have been without a request until its last one is
	// believed to be the last.
	quiet = 250 * time.Millisecond
)

// Run plays the demo and tells it. It returns nil when every rollout ended as it should, *Unexpected when one did not,
// the cause of ctx when that ended first, the error of Out when nobody reads on, and another error when the demo could
// not be played. Mistakes in the options carry problem.Invalid.
func Run(ctx context.Context, o Options) error {
	_, err := play(ctx, o)
	return err
}

// run is one run of the demo.
type run struct {
	opts       Options
	candidates []Candidate
	ladder     ladder
	say        *narrator
	stand      stand
	busy       bool
}

// play is Run with what it has shown, which is also there, as far as it goes, when there is an error.
func play(ctx context.Context, o Options) (result Result, err error) {
	o, err = o.filled()
	if err != nil {
		return Result{}, err
	}
	l, err := readLadder(policy(o.Speed))
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{
		opts: o, candidates: chosen(o.Scenario), ladder: l,
		say: &narrator{opts: o, began: time.Now(), unread: cancel},
	}
	if o.cast != nil {
		r.candidates = o.cast
	}
	defer func() {
		r.say.wipe()
		if closing := r.stand.close(ctx); closing != nil && err == nil {
			err = fmt.Errorf("end the demo: %w", closing)
		}
	}()
	if err := r.prepare(ctx); err != nil {
		return Result{}, r.cause(ctx, err)
	}
	for i := range r.candidates {
		e, err := r.rollOut(ctx, i)
		if err != nil {
			return result, r.cause(ctx, err)
		}
		result.Endings = append(result.Endings, e)
		if e.Phase == client.Completed && i < len(r.candidates)-1 {
			if err := r.putBack(ctx, e.Candidate.Version); err != nil {
				return result, r.cause(ctx, err)
			}
		}
	}
	if err := r.finish(ctx, &result); err != nil {
		return result, err
	}
	return result, result.unexpected()
}

// cause is why the demo was interrupted, or the error itself.
func (r *run) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		r.say.say(amber, "Interrupted; everything is being taken down.")
		return context.Cause(ctx)
	}
	return err
}

// prepare makes everything that the rollouts need: networks, model servers, Belay, the model, traffic and labels.
func (r *run) prepare(ctx context.Context) error {
	r.introduce()
	if err := r.stand.train(ctx, r.opts.Seed, r.candidates); err != nil {
		return err
	}
	serving, err := r.serveAll(ctx)
	if err != nil {
		return err
	}
	if err := r.stand.open(ctx, r.opts); err != nil {
		return err
	}
	r.say.say(plain, fmt.Sprintf("Belay is up: traffic at %s, API at %s.", r.stand.belay.traffic(), r.stand.belay.admin()))
	r.say.say(faint, fmt.Sprintf("To look on from another terminal: belay watch %s --server %s", modelName, r.stand.belay.admin()))
	if err := r.apply(ctx, "policy.yaml", policy(r.opts.Speed)); err != nil {
		return err
	}
	if err := r.apply(ctx, "model.yaml", model(baseline, serving.URL())); err != nil {
		return err
	}
	r.say.say(plain, fmt.Sprintf("v1 serves. It reads %s of the held-out digits wrongly, takes 8 ms (14 ms at the 99th percentile), "+
		"and never fails.", share(r.stand.network(baseline))))
	r.say.say(plain, fmt.Sprintf("%g requests a second, each a held-out digit; a second later the caller reports whether it was read right.",
		r.opts.Rate))
	if err := r.stand.drive(ctx, r.opts); err != nil {
		return err
	}
	r.stand.pace.start(r.stand.traffic.Stats())
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	r.checkPace()
	return nil
}

// checkPace warns when the machine has not kept up since the last check, and begins anew.
func (r *run) checkPace() {
	stats := r.stand.traffic.Stats()
	for _, text := range r.stand.pace.complaints(r.opts.Rate, stats) {
		r.busy = true
		r.say.warn(text)
	}
	r.stand.pace.start(stats)
}

func (r *run) introduce() {
	r.say.line(bold, fmt.Sprintf("Belay demo, seed %d", r.opts.Seed))
	names := make([]string, len(r.candidates))
	for i, c := range r.candidates {
		names[i] = c.Version
	}
	who := names[0] + " wants to take the place of v1."
	if len(names) > 1 {
		who = fmt.Sprintf("%s want to take the place of v1. The good one comes last, so that each is compared with v1.",
			enumerate(names))
	}
	r.say.line(plain, who)
	r.say.line(plain, fmt.Sprintf("Each climbs from %s of the requests, at least %v a stage, as far as the evidence lets it.",
		strings.Join(r.ladder.weights, " to "), r.ladder.dwell))
	for _, text := range r.opts.cautions(r.ladder) {
		r.say.warn(text)
	}
	r.say.line(plain, "")
	r.say.say(plain, "Training networks to read handwritten digits.")
}

// serveAll starts the model servers, v1 first. A candidate gets nothing until its rollout gives it something.
func (r *run) serveAll(ctx context.Context) (*modelserver.Server, error) {
	serving, err := r.stand.serve(ctx, baseline, modelserver.Steady(r.opts.Seed))
	if err != nil {
		return nil, err
	}
	for i, c := range r.candidates {
		// Seeds of one run lie close together; the servers scatter them.
		if _, err := r.stand.serve(ctx, c.Version, c.behaviour(r.opts.Seed+uint64(i+1)<<32)); err != nil {
			return nil, err
		}
	}
	return serving, nil
}

// apply applies a file, as `belay apply -f` does.
func (r *run) apply(ctx context.Context, name, text string) error {
	r.say.file(name, text)
	result, err := r.stand.api.Apply(ctx, client.ApplyRequest{File: name, Data: []byte(text)})
	if err != nil {
		return fmt.Errorf("apply %s: %w", name, err)
	}
	for _, w := range result.Warnings {
		r.say.warn(w.Message)
	}
	return nil
}

// rollOut plays one candidate: apply, follow, and measure how it ended.
func (r *run) rollOut(ctx context.Context, i int) (Ending, error) {
	c := r.candidates[i]
	r.announce(i)
	began := time.Now()
	if err := r.apply(ctx, rolloutName(c.Version)+".yaml", deployment(c.Version, r.stand.servers[c.Version].URL())); err != nil {
		return Ending{}, err
	}
	f := &follower{say: r.say}
	if err := r.follow(ctx, f, rolloutName(c.Version)); err != nil {
		return Ending{}, err
	}
	took := time.Since(began)
	status, err := r.settle(ctx, c.Version)
	if err != nil {
		return Ending{}, err
	}
	f.take(client.Event{Status: &status}) // What a broken stream has left out.
	e := r.measure(c, status)
	e.Took = took
	r.conclude(e)
	r.checkPace()
	return e, nil
}

func (r *run) announce(i int) {
	c := r.candidates[i]
	number := ""
	if len(r.candidates) > 1 {
		number = fmt.Sprintf(" (%d of %d)", i+1, len(r.candidates))
	}
	r.say.line(plain, "")
	r.say.line(bold, fmt.Sprintf("%s%s: %s", c.Version, number, r.describe(c)))
	r.say.line(plain, fmt.Sprintf("It should %s.", infinitive(c)))
}

// describe says all that is declared or was measured about a candidate.
func (r *run) describe(c Candidate) string {
	own, trained := r.stand.networks[c.Version]
	if !trained {
		return fmt.Sprintf("the network of v1, but %s.", c.What)
	}
	what := c.What
	if own.WrongLabels > 0 {
		what = fmt.Sprintf("learned from labels of which %.0f%% are wrong", 100*own.WrongLabels)
	}
	return fmt.Sprintf("%s; reads %s of the held-out digits wrongly (v1: %s). As fast as v1, and never fails.",
		what, share(own), share(r.stand.network(baseline)))
}

// follow tells the rollout until it has ended. One that does not end in its time is aborted, as a user would.
func (r *run) follow(ctx context.Context, f *follower, name string) error {
	limit := r.opts.limit(r.ladder)
	watching, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for event, err := range r.stand.api.Watch(watching, client.WatchRequest{Rollout: name}) {
		if err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
		f.take(event)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if client.Final(f.last.Phase) {
		return nil
	}
	r.say.warn(fmt.Sprintf("%s has not ended after %v; the demo aborts it", name, limit.Round(time.Second)))
	_, err := r.stand.api.Act(ctx, client.ActRequest{Rollout: name, Kind: client.ActAbort, Reason: "the demo's time for it is over"})
	if err != nil {
		return fmt.Errorf("abort %s: %w", name, err)
	}
	return nil
}

// putBack makes v1 serve again after a version that should have fallen has come through. A file that was applied before
// says nothing new, so the model first gets the file that tells the truth, and then the one that is wanted.
func (r *run) putBack(ctx context.Context, serving string) error {
	r.say.say(bad, fmt.Sprintf("%s serves now, which it should not: v1 is put back by hand, for the next to be compared with v1.", serving))
	for _, version := range []string{serving, baseline} {
		if err := r.apply(ctx, "model.yaml", model(version, r.stand.servers[version].URL())); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until the traffic of a rollout that has ended was read back as asked, and the version that lost it is at
// rest, for a bounded time.
func (r *run) settle(ctx context.Context, version string) (client.Rollout, error) {
	deadline := time.Now().Add(settleWithin)
	for {
		status, err := r.stand.api.Status(ctx, rolloutName(version))
		if err != nil {
			return status, fmt.Errorf("read how %s ended: %w", rolloutName(version), err)
		}
		if r.settled(version, status) || time.Now().After(deadline) {
			return status, nil
		}
		if err := pause(ctx, settleEvery); err != nil {
			return status, err
		}
	}
}

func (r *run) settled(version string, status client.Rollout) bool {
	// The traffic is put back before its decision is stored: both are waited for.
	stored := status.Last != nil && (status.Last.Kind == client.DecisionRollback || status.Last.Kind == client.DecisionComplete)
	confirmed := status.Ending != nil && !status.Ending.ConfirmedAt.IsZero()
	if !client.Final(status.Phase) || !stored || !confirmed {
		return false
	}
	counts := r.stand.servers[loser(version, status.Phase)].Counts()
	atRest := counts.Started == counts.Finished && time.Since(counts.LastStart) >= quiet
	if status.Phase == client.Completed {
		return atRest
	}
	// The last of what the candidate served has been counted, too.
	return atRest && status.Exposure.Requests >= int64(counts.Started)
}

// loser is the version that has no traffic after an ending.
func loser(version string, phase client.Phase) string {
	if phase == client.Completed {
		return baseline
	}
	return version
}

// measure reads off how a rollout ended.
func (r *run) measure(c Candidate, status client.Rollout) Ending {
	e := Ending{
		Candidate: c, Phase: status.Phase, Stage: status.Stage.AskedPercent,
		Requests: status.Exposure.Requests, Units: status.Exposure.Units, Shielded: status.Exposure.Shielded,
	}
	if e.Units == 0 {
		e.Units = e.Requests // Every request is a unit of its own.
	}
	if last := status.Last; last != nil {
		e.Reason, e.Sentence = last.Reason, last.Sentence
		if status.Phase == client.RolledBack {
			e.Gate = last.Gate
		}
	}
	if end := status.Ending; end != nil {
		e.decidedAt = end.DecidedAt
		if !end.ConfirmedAt.IsZero() {
			e.Confirmed = end.ConfirmedAt.Sub(end.DecidedAt)
		}
	}
	r.time(&e)
	return e
}

// time reads when the version that lost its traffic began its last request, by the clock of its own server. Belay timed
// the decision; both read the clock of this machine.
func (r *run) time(e *Ending) {
	e.Arrived = r.stand.servers[e.Candidate.Version].Counts().Started
	if last := r.stand.servers[loser(e.Candidate.Version, e.Phase)].Counts().LastStart; !e.decidedAt.IsZero() {
		e.LastRequest = max(0, last.Round(0).Sub(e.decidedAt))
	}
}

// conclude tells what was measured around an ending.
func (r *run) conclude(e Ending) {
	winner, loser := baseline, loser(e.Candidate.Version, e.Phase)
	if e.Phase == client.Completed {
		winner = e.Candidate.Version
	}
	last := fmt.Sprintf("the last request reached %s %s after the decision", loser, milliseconds(e.LastRequest))
	if e.LastRequest == 0 {
		last = fmt.Sprintf("no request reached %s after the decision", loser)
	}
	text := fmt.Sprintf("%s serves everything, read back %s after the decision; %s.", winner, milliseconds(e.Confirmed), last)
	if e.Shielded > 0 {
		text += fmt.Sprintf(" %s times %s failed and v1 answered in its place, unnoticed by the caller.", thousands(e.Shielded), e.Candidate.Version)
	}
	r.say.say(plain, text)
	if e.AsExpected() {
		r.say.say(good, fmt.Sprintf("As expected: %s %s, %s after it was applied.", e.Candidate.Version, past(e.Phase, e.Gate), seconds(e.Took)))
		return
	}
	r.say.say(bad, fmt.Sprintf("NOT as expected: %s %s; it should %s.",
		e.Candidate.Version, past(e.Phase, e.Gate), infinitive(e.Candidate)))
}

// finish stops traffic and labels, so that all of them are counted, and tells the whole. What does not end in its time on
// a machine that is too slow is cut off, and counted as that.
func (r *run) finish(ctx context.Context, result *Result) error {
	for _, stop := range []func(context.Context) error{r.stand.traffic.Stop, r.stand.labels.Stop} {
		stopping, cancel := context.WithTimeout(ctx, closeWithin)
		err := stop(stopping)
		cancel()
		if ctx.Err() != nil {
			return r.cause(ctx, err)
		}
		if err != nil {
			r.busy = true
			r.say.warn(err.Error())
		}
	}
	for i := range result.Endings {
		r.time(&result.Endings[i]) // Traffic went on after all but the last; a request that came late is seen now.
	}
	stats, labels := r.stand.traffic.Stats(), r.stand.labels.Stats()
	_, refused, why := r.stand.counts.read()
	result.Requests, result.Failed, result.Shielded = stats.Ended, stats.Failed, stats.Shielded
	result.Labels, result.LabelsLost = labels.Reported, labels.GivenUp+labels.Dropped+refused
	result.Busy, result.Took = r.busy, time.Since(r.say.began)
	if result.LabelsLost > 0 {
		if why == "" && labels.LastErr != nil {
			why = labels.LastErr.Error()
		}
		r.say.warn(fmt.Sprintf("%s labels were lost: %s", thousands(result.LabelsLost), why))
	}
	r.summary(*result)
	return nil
}

func (r *run) summary(result Result) {
	r.say.line(plain, "")
	r.say.table(result)
	r.say.line(faint, "LAST REQ: from the decision to the start of the candidate's last request, by its own server's clock. "+
		"Every request is a unit here.")
	r.say.line(plain, "")
	if result.Failed == 0 {
		r.say.line(good, fmt.Sprintf("0 of %s client requests failed; v1 answered %s in the place of a candidate that had failed.",
			thousands(result.Requests), thousands(result.Shielded)))
	} else {
		r.say.line(bad, fmt.Sprintf("%s of %s client requests failed, all of which v1 would have answered.",
			thousands(result.Failed), thousands(result.Requests)))
	}
	verdict, s := "Every rollout ended as it should.", good
	if right := result.right(); right < len(result.Endings) {
		verdict, s = fmt.Sprintf("%d of %d rollouts ended as they should.", right, len(result.Endings)), bad
	}
	r.say.line(s, verdict)
	r.say.line(plain, fmt.Sprintf("%s labels reported; %s in all.", thousands(result.Labels), seconds(result.Took)))
	r.say.line(plain, "")
	r.say.line(plain, "Next:")
	r.say.line(plain, "  belay demo --verbose    the files that were applied, and the server's log")
	r.say.line(plain, "  belay serve             a server for your own models")
	r.say.line(plain, "  belay apply -f FILE     a model and its rollout; then: belay watch MODEL")
}

// enumerate writes names as "a, b and c".
func enumerate(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// share writes a network's held-out error.
func share(t digits.Trained) string { return fmt.Sprintf("%.1f%%", 100*t.HeldOutError) }

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
