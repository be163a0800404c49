package scenario

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
)

// The rows of effects and of the whole document.

// whenFields are the rows that say when an effect is felt.
var whenFields = []field.Field{
	field.Set("at", wait, func(w *When) *time.Duration { return &w.At }, field.Meta{Doc: "When it begins, from the first traffic of the rollout on.", Computed: "at once", Example: "30m"}),
	field.Set("lasts", wait, func(w *When) *time.Duration { return &w.Lasts }, field.Meta{Doc: "How long it lasts.", Computed: "for ever", Example: "20m"}),
	field.Set("ramp", wait, func(w *When) *time.Duration { return &w.Ramp }, field.Meta{Doc: "How long it takes to reach its full size.", Computed: "it is there at once", Example: "4h"}),
	field.Set("fullAt", share, func(w *When) *float64 { return &w.FullAt }, field.Meta{Doc: "The weight of the candidate at which it has its full size. It grows with the weight up to there.", Example: "50%"}),
	field.Set("above", share, func(w *When) *float64 { return &w.Above }, field.Meta{Doc: "The weight of the candidate above which it begins.", Example: "10%"}),
	field.Set("segment", share, func(w *When) *float64 { return &w.Segment }, field.Meta{Doc: "The share of users (of requests, without users) that feel it.", Computed: "all", Example: "10%"}),
	field.Set("night", share, func(w *When) *float64 { return &w.Night }, field.Meta{Doc: "The share of the daily cycle, around its lowest point, in which it is felt.", Computed: "all day", Example: "33%"}),
}

var outcomeEffectShape = &field.Shape{
	Name: "change of an outcome", Def: "outcomeEffect", Doc: "A difference of one outcome.", Inline: true,
	Fields: []field.Field{
		field.Set("name", metricType, func(o *OutcomeEffect) *string { return &o.Name }, field.Meta{Doc: "The name of the outcome.", Required: true, Example: "conversion"}),
		field.Set("rate", changeType, func(o *OutcomeEffect) *Change { return &o.Rate }, field.Meta{Doc: "How its rate changes.", Example: "-10%"}),
		field.Set("mean", changeType, func(o *OutcomeEffect) *Change { return &o.Mean }, field.Meta{Doc: "How the worth of a success changes.", Example: "-15%"}),
		field.Set("delay", changeType, func(o *OutcomeEffect) *Change { return &o.Delay }, field.Meta{Doc: "How the delay of its reports changes.", Example: "x2"}),
	},
}

var effectShape = &field.Shape{
	Name: "effect", Doc: "What differs from the baseline's usual behaviour, and when.", Inline: true,
	Fields: append([]field.Field{
		field.Set("arm", field.OneOf(Candidate, Both, Baseline), func(e *Effect) *Arm { return &e.Arm }, field.Meta{Doc: "Where it is felt. both is a shared incident.", Default: "candidate", Example: "both"}),
		field.Set("errors", changeType, func(e *Effect) *Change { return &e.Errors }, field.Meta{Doc: "How the share of failures changes.", Example: "x2"}),
		field.Set("clientErrors", changeType, func(e *Effect) *Change { return &e.ClientErrors }, field.Meta{Doc: "How the share of refused requests changes.", Example: "x2"}),
		field.Set("latency", changeType, func(e *Effect) *Change { return &e.Latency }, field.Meta{Doc: "How latencies change: all of them, or those that slowest or portion name.", Example: "+20%"}),
		field.Set("slowest", share, func(e *Effect) *float64 { return &e.Slowest }, field.Meta{Doc: "Only the latencies of the slowest share of requests change: the tail.", Example: "5%"}),
		field.Set("portion", share, func(e *Effect) *float64 { return &e.Portion }, field.Meta{Doc: "Only the latencies of a share of requests, drawn by chance, change: a second mode.", Example: "3%"}),
		field.Set("conversion", changeType, func(e *Effect) *Change { return &e.Conversion }, field.Meta{Doc: "How the rate of all outcomes changes of which less than half are successes.", Example: "-10%"}),
		field.Set("quality", changeType, func(e *Effect) *Change { return &e.Quality }, field.Meta{Doc: "How the rate of all outcomes changes of which half or more are successes.", Example: "-2pp"}),
		field.Set("revenue", changeType, func(e *Effect) *Change { return &e.Revenue }, field.Meta{Doc: "How the worth of all outcomes with a mean changes.", Example: "-15%"}),
		field.Children("outcomes", outcomeEffectShape, func(e *Effect) *[]OutcomeEffect { return &e.Outcomes }, field.Meta{Doc: "How single outcomes change.", Most: maxOutcomes}),
		field.Set("delay", changeType, func(e *Effect) *Change { return &e.Delay }, field.Meta{Doc: "How the delays of all reports change.", Example: "x3"}),
		field.Set("scores", field.Between(anyNumberType, "-1000", "1000"), func(e *Effect) *float64 { return &e.Scores }, field.Meta{Doc: "By how many standard deviations the scores move.", Example: "0.5"}),
		field.Set("gauges", changeType, func(e *Effect) *Change { return &e.Gauges }, field.Meta{Doc: "How the gauges change.", Example: "+50%"}),
		field.Set("traffic", changeType, func(e *Effect) *Change { return &e.Traffic }, field.Meta{Doc: "How the rate of all requests changes. Only with `arm: both`.", Example: "x3"}),
	}, field.Lift(whenFields, func(e *Effect) *When { return &e.When })...),
}

var scenarioShape = &field.Shape{
	Name: "scenario", Def: "scenarioSpec", Doc: "Traffic, the version that serves now, and what the candidate does otherwise.",
	Fields: []field.Field{
		field.Set("extends", nameType, func(w *written) *string { return &w.Extends }, field.Meta{Doc: "The scenario that fills what this one leaves out: one that is always there, or one of the same files.", Example: "no-change"}),
		field.Set("about", lineType, func(w *written) *string { return &w.About }, field.Meta{Doc: "One sentence for people.", Example: "The candidate fails twice as often."}),
		field.Child("traffic", trafficShape, func(w *written) **Traffic { return &w.Traffic }, field.Meta{Doc: trafficShape.Doc}),
		field.Child("baseline", baselineShape, func(w *written) **writtenBehaviour { return &w.Baseline }, field.Meta{Doc: baselineShape.Doc}),
		field.Children("effects", effectShape, func(w *written) *[]Effect { return &w.Effects }, field.Meta{Doc: "What the candidate does otherwise, and what happens to both.", Most: maxEffects}),
	},
}

type head struct{ Name string }

var headShape = &field.Shape{
	Name: "metadata", Doc: "What the document is called.", Inline: true,
	Fields: []field.Field{
		field.Set("name", nameType, func(h *head) *string { return &h.Name }, field.Meta{Doc: "The name.", Required: true, Example: "friday"}),
	},
}

// document is a whole document.
type envelope struct {
	APIVersion string
	Kind       string
	Metadata   *head
	Spec       *written
}

// Kind is what a scenario's document says it is.
const Kind = "Scenario"

var envelopeShape = &field.Shape{
	Name: Kind, Doc: scenarioShape.Doc,
	Fields: []field.Field{
		field.Set("apiVersion", field.OneOf(apiVersion), func(e *envelope) *string { return &e.APIVersion }, field.Meta{Doc: "The version of the format.", Required: true, Example: apiVersion}),
		field.Set("kind", field.OneOf(Kind), func(e *envelope) *string { return &e.Kind }, field.Meta{Doc: "What the document describes.", Required: true, Example: Kind}),
		field.Child("metadata", headShape, func(e *envelope) **head { return &e.Metadata }, field.Meta{Doc: headShape.Doc, Required: true, Example: "{name: friday}"}),
		field.Child("spec", scenarioShape, func(e *envelope) **written { return &e.Spec }, field.Meta{Doc: scenarioShape.Doc, Required: true}),
	},
}
