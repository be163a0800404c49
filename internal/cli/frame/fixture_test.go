package frame

import (
	"time"

	"github.com/belay-rollouts/belay/client"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// inProgress is a rollout in the middle of its way.
func inProgress() client.Rollout {
	return client.Rollout{
		SchemaVersion: "belay.dev/v1alpha1", Name: "fraud-scorer-v7", Model: "fraud-scorer", Policy: "standard", Environment: "production",
		Baseline: client.Version{Version: "v6", URL: "http://127.0.0.1:9006"}, Candidate: client.Version{Version: "v7", URL: "http://127.0.0.1:9007"},
		Attempt: 1, Revision: 9, Phase: client.Progressing, CreatedAt: noon.Add(-16 * time.Minute), CreatedBy: "mira",
		StartedAt: noon.Add(-15*time.Minute - 40*time.Second),
		Stage:     client.Stage{Index: 1, Of: 5, AskedPercent: 10, WeightPercent: 10, EffectivePercent: 10, DwellSeconds: 600, ServedSeconds: 340, LeftSeconds: 260, MinSamples: 500, Require: "no-harm"},
		Ladder: []client.Step{
			{AskedPercent: 1, DwellSeconds: 600, MinSamples: 500, Require: "no-harm"},
			{AskedPercent: 10, DwellSeconds: 600, MinSamples: 500, Require: "no-harm"},
			{AskedPercent: 25, DwellSeconds: 600, MinSamples: 500, Require: "no-harm"},
			{AskedPercent: 50, DwellSeconds: 600, MinSamples: 500, Require: "within-margin"},
			{AskedPercent: 100, HoldbackPercent: 1, DwellSeconds: 600, MinSamples: 500, Require: "no-harm"},
		},
		Gates: []client.Gate{
			{
				Gate: "error_rate", Kind: "rate", Verdict: client.Pass, Reason: "MarginProven", Margin: "+0.5pp", MarginValue: new(0.005), Worse: "up", Ceilings: []string{"max 5%"},
				LogFail: -1.2, LogPass: 3.4, LogFailAt: 4.1, LogPassAt: 2.9957, Share: 1.0 / 3,
				Bound: &client.Bound{Estimate: new(0.0002), Lower: new(-0.0044), Upper: new(0.0048), Baseline: new(0.0102), Candidate: new(0.0104)},
				Here:  client.Counts{CandidateExposures: 3850, CandidateEvents: 40, BaselineExposures: 35012, BaselineEvents: 357},
				Total: client.Counts{CandidateExposures: 4573, CandidateEvents: 48, BaselineExposures: 106590, BaselineEvents: 1087},
			},
			{
				Gate: "latency_p99", Kind: "quantile", Verdict: client.Pass, Reason: "MarginProven", Margin: "+10%", MarginValue: new(0.1), Worse: "up",
				LogFail: -3, LogPass: 4, LogFailAt: 4.1, LogPassAt: 2.9957,
				Bound: &client.Bound{Relative: true, Estimate: new(0.046), Lower: new(0.012), Upper: new(0.081), Baseline: new(0.084), Candidate: new(0.0879)},
				Here:  client.Counts{CandidateExposures: 3850, BaselineExposures: 35012}, Total: client.Counts{CandidateExposures: 4573, BaselineExposures: 106590},
			},
			{
				Gate: "outcome:correct", Kind: "rate", Verdict: client.Undecided, Reason: "NotProvenYet", Margin: "-1pp", MarginValue: new(-0.01), Worse: "down", NeedSamples: 120,
				LogFail: 0.4, LogPass: 0.2, LogFailAt: 4.1, LogPassAt: 2.9957,
				Bound: &client.Bound{Estimate: new(-0.003), Lower: new(-0.016), Upper: new(0.01), Baseline: new(0.971), Candidate: new(0.968)},
				Here:  client.Counts{CandidateExposures: 380, CandidateEvents: 12, BaselineExposures: 3501, BaselineEvents: 101}, Total: client.Counts{CandidateExposures: 400, BaselineExposures: 9000},
			},
			{Gate: "outcome:revenue", Kind: "rate", Verdict: client.Off, Reason: "NotYetActive", Margin: "-5%", MarginValue: new(-0.05), Worse: "down", FromPercent: 50, LogFailAt: 4.1, LogPassAt: 2.9957},
		},
		Traffic:     &client.Traffic{WeightPercent: 10, Baseline: client.Health{State: "ready"}, Candidate: client.Health{State: "ready"}, LastRequestAt: noon},
		Exposure:    client.Exposure{Requests: 4573, Units: 1204, Shielded: 12},
		SampleRatio: &client.SampleRatio{LogE: -0.3, Threshold: 6.9}, Outcomes: &client.OutcomeCounts{Accepted: 400, Unattributed: 3},
		EvidenceAgeSeconds: 0.4, Next: "25% at 12:04:20 at the earliest, unless a gate fails.",
		Last: &client.DecisionHead{
			Seq: 6, At: noon.Add(-5*time.Minute - 40*time.Second), Kind: client.DecisionAdvance, Reason: "StagePassed", Hash: "aa11",
			Sentence: "ADVANCE 1% -> 10%: no harm proven in error_rate, latency_p99 (723 candidate samples in the stage).",
		},
	}
}

// rolledBack is the same rollout after a gate has failed.
func rolledBack() client.Rollout {
	r := inProgress()
	r.Phase, r.EndedAt, r.Revision = client.RolledBack, noon, 11
	g := &r.Gates[0]
	g.Verdict, g.Reason, g.LogFail, g.LogPass = client.Fail, "HarmProven", 5.2, -40
	g.Bound = &client.Bound{Estimate: new(0.069), Lower: new(0.021), Upper: new(0.115), Baseline: new(0.0104), Candidate: new(0.079)}
	r.Failed = []string{"error_rate"}
	r.Traffic.WeightPercent = 0
	r.Next = ""
	r.Ending = &client.Ending{DecidedAt: noon, SwappedAt: noon, ConfirmedAt: noon.Add(41 * time.Millisecond), ConfirmedAfterMilliseconds: new(41.0), LastRequestAfterMilliseconds: new(3.2)}
	r.Last = &client.DecisionHead{
		Seq: 9, At: noon, Kind: client.DecisionRollback, Reason: "GateFailed", Gate: "error_rate", Hash: "bb22",
		Sentence: "ROLLBACK at 10%: error_rate 7.9% (38 of 481) against 1.0% (45 of 4,329): at least +2.1pp, margin +0.5pp (anytime-valid at this gate's share of alpha 5%). Exposed: 5,054 requests, 1,310 units.",
	}
	return r
}

// inTrouble shows everything that can be wrong at once.
func inTrouble() client.Rollout {
	r := inProgress()
	r.Name, r.Attempt, r.Phase = "nightly", 3, client.Holding
	r.Unguarded = "nothing is held back at 100%, so there is no baseline to compare with: only ceilings and the router's cut-off guard"
	r.Traffic.WeightPercent = 0
	r.Traffic.Candidate = client.Health{State: "dead", Error: "connection refused"}
	r.Traffic.CutOff = &client.CutOff{At: noon.Add(-time.Second), Reason: "Refused", Detail: "3 connections in a row were refused."}
	r.Trouble = "the decision cannot be stored: the disk that holds belay.db is full; trying again."
	r.Fault = &client.Fault{Reason: "NoTraffic", Since: noon.Add(-time.Minute)}
	r.SampleRatio.Mismatch = true
	r.Paused = &client.Pause{By: "mira", Reason: "lunch", At: noon.Add(-25 * time.Hour)}
	r.Waived = []string{"latency_p99"}
	r.EvidenceAgeSeconds = 75
	r.Gates[1].Waived = true
	return r
}
