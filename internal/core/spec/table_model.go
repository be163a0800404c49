package spec

import "github.com/belay-rollouts/belay/internal/core/spec/field"

// The rows of a Model and of the parts of it that a Rollout shares.

// Bounds of lists. They are far beyond what a person writes.
const (
	maxEnvironments = 8
	maxStages       = 32
	maxGates        = 32
	maxWords        = 64
	maxSegmentKeys  = 4
	maxNotices      = 16
	maxServers      = 16
)

var versionShape = &field.Shape{
	Name: "version",
	Doc:  "One build of a model and where it answers.",
	Fields: []field.Field{
		field.Set("version", versionType, func(v *Version) *string { return &v.Version }, field.Meta{
			Doc: "The name of the build, unique for the model. Quotes are not needed for numbers.", Required: true, Example: "v7",
		}),
		field.Set("url", urlType, func(v *Version) *string { return &v.URL }, field.Meta{
			Doc: "Where the version answers. It may be left out where the model has an `endpoint`.", Example: "http://localhost:9007",
		}),
		field.Set("as", lineType, func(v *Version) *string { return &v.As }, field.Meta{
			Doc: "The name under which this server knows the model, when it differs from the model's name; requests are rewritten.", Example: "fraud-v7",
		}),
		field.Many("run", lineType, func(v *Version) *[]string { return &v.Run }, field.Meta{
			Most: maxWords, Doc: "The command that starts the server of this version, word by word; it is stopped when the version is not needed any more.",
			Example: `["./serve.sh", "v7"]`,
		}),
		field.OneOrMany("metrics", pageType, func(v *Version) *[]string { return &v.Metrics }, field.Meta{
			Most: maxServers, Doc: "The metrics pages (Prometheus text) of the version's servers, for gates with `source: scrape`: one address, or a list with one for each server.",
			Computed: "/metrics at the host and port of the url", Example: "http://localhost:9007/metrics",
		}),
	},
}

var headerShape = &field.Shape{
	Name: "header",
	Doc:  "A header that a request must carry.",
	Fields: []field.Field{
		field.Set("name", headerType, func(h *HeaderMatch) *string { return &h.Name }, field.Meta{
			Doc: "The name of the header; case does not matter.", Required: true, Example: "X-Model",
		}),
		field.Set("value", lineType, func(h *HeaderMatch) *string { return &h.Value }, field.Meta{
			Doc: "The exact value of the header.", Required: true, Example: "fraud-scorer",
		}),
	},
	Inline: true,
}

var routeShape = &field.Shape{
	Name: "route",
	Doc:  "Which requests are for the model. All parts that are written must match.",
	Fields: []field.Field{
		field.Set("host", hostType, func(r *Route) *string { return &r.Host }, field.Meta{
			Doc: "The host name of the request, without a port.", Example: "models.example.com",
		}),
		field.Set("pathPrefix", prefixType, func(r *Route) *string { return &r.PathPrefix }, field.Meta{
			Doc: "The beginning of the path, whole segments only.", Computed: "/v2/models/NAME under protocol v2, otherwise /", Example: "/fraud",
		}),
		field.Child("header", headerShape, func(r *Route) **HeaderMatch { return &r.Header }, field.Meta{
			Doc: "A header that the request must carry.", Example: "{name: X-Model, value: fraud}",
		}),
	},
	Inline: true,
}

var modelEnvironmentShape = &field.Shape{
	Def:  "modelEnvironment",
	Name: "environment",
	Doc:  "Where the model answers in one environment.",
	Fields: []field.Field{
		field.Set("name", labelType, func(e *ModelEnvironment) *string { return &e.Name }, field.Meta{
			Doc: "The name that policies use.", Required: true, Example: "staging",
		}),
		field.Child("serving", versionShape, func(e *ModelEnvironment) **Version { return &e.Serving }, field.Meta{
			Doc: "The version that serves there now.",
		}),
		field.Child("route", routeShape, func(e *ModelEnvironment) **Route { return &e.Route }, field.Meta{
			Doc: "Which requests are for the model there.",
		}),
	},
}

var modelShape = &field.Shape{
	Def:  "modelSpec",
	Name: "model",
	Doc:  "A served model: how it is reached and how its callers are told apart.",
	Fields: []field.Field{
		field.Set("protocol", field.OneOf(ProtocolV2, ProtocolOpenAI, ProtocolGRPC, ProtocolHTTP), func(m *Model) *Protocol { return &m.Protocol }, field.Meta{
			Doc:     "How the model's servers are spoken to: v2 is the Open Inference Protocol over HTTP, openai the OpenAI API, grpc the Open Inference Protocol over gRPC, http anything else.",
			Default: "v2", Example: "v2",
		}),
		field.Set("unit", unitType, func(m *Model) *Unit { return &m.Unit }, field.Meta{
			Doc:     "What is assigned to an arm: every request by itself, or all requests that have the same value of a header, a cookie, a query parameter or a place in the JSON body.",
			Default: "request", Example: "header:X-User-Id",
		}),
		field.Child("serving", versionShape, func(m *Model) **Version { return &m.Serving }, field.Meta{
			Doc: "The version that serves now: the baseline of the next rollout.", Example: "{version: v6, url: http://localhost:9006}",
		}),
		field.Set("endpoint", endpointType, func(m *Model) *string { return &m.Endpoint }, field.Meta{
			Doc:     "Where any version answers in any environment, with {version}, {environment} and {model} in place of their names.",
			Example: "http://fraud-{version}.{environment}:8080",
		}),
		field.Child("route", routeShape, func(m *Model) **Route { return &m.Route }, field.Meta{
			Doc: "Which requests are for the model.", Example: "{pathPrefix: /fraud}",
		}),
		field.Set("pin", field.OneOf(PinAllow, PinDeny), func(m *Model) *Pin { return &m.Pin }, field.Meta{
			Doc: "Whether callers may choose an arm with the header Belay-Pin, where the policy has `allowPin: true`.", Default: "allow", Example: "deny",
		}),
		field.Children("environments", modelEnvironmentShape, func(m *Model) *[]ModelEnvironment { return &m.Environments }, field.Meta{
			Most: maxEnvironments, Doc: "The endpoints of the model in each environment, where they differ.",
		}),
	},
}

var policyShape = &field.Shape{
	Def:  "policySpec",
	Name: "policy",
	Doc:  "A reusable plan. What it does not say comes from the policy that it extends.",
	Fields: append([]field.Field{
		field.Set("extends", labelType, func(p *Policy) *string { return &p.Extends }, field.Meta{
			Doc:     "The policy that fills what this one leaves out: a preset (fast, standard, cautious) or another policy. Objects are filled field by field; a list replaces the whole list.",
			Example: "standard",
		}),
	}, field.Lift(planFields, func(p *Policy) *Plan { return &p.Plan })...),
}

var rolloutShape = &field.Shape{
	Def:  "rolloutSpec",
	Name: "rollout",
	Doc:  "One candidate's way to 100 %. Fields of a policy that are written here replace those of its policy.",
	Fields: append([]field.Field{
		field.Set("model", labelType, func(r *Rollout) *string { return &r.Model }, field.Meta{
			Doc: "The name of the model.", Required: true, Example: "fraud-scorer",
		}),
		field.Child("candidate", versionShape, func(r *Rollout) **Version { return &r.Candidate }, field.Meta{
			Doc: "The version that is rolled out.", Required: true, Example: "{version: v7, url: http://localhost:9007}",
		}),
		field.Set("policy", labelType, func(r *Rollout) *string { return &r.Policy }, field.Meta{
			Doc: "The policy or preset that gives the plan.", Default: "standard", Example: "tier-1",
		}),
	}, field.Lift(planFields, func(r *Rollout) *Plan { return &r.Plan })...),
}

// metadata is the part that all kinds have.
type metadata struct{ Name string }

func metadataShape(name field.Scalar[string], computed string) *field.Shape {
	def := "metadata"
	if computed != "" {
		def = "rolloutMetadata"
	}
	return &field.Shape{
		Def:  def,
		Name: "metadata",
		Doc:  "What the document is called.",
		Fields: []field.Field{
			field.Set("name", name, func(m *metadata) *string { return &m.Name }, field.Meta{
				Doc: "The name, unique among documents of the kind.", Required: computed == "", Computed: computed, Example: "fraud-scorer",
			}),
		},
		Inline: true,
	}
}

// envelope is a whole document.
type envelope[T any] struct {
	APIVersion string
	Kind       string
	Metadata   *metadata
	Spec       *T
}

// envelopeShape is the shape of a whole document of one kind.
func envelopeShape[T any](kind string, spec *field.Shape) *field.Shape {
	head := metadataOf[kind]
	return &field.Shape{
		Name: kind,
		Doc:  spec.Doc,
		Fields: []field.Field{
			field.Set("apiVersion", field.OneOf(APIVersion), func(e *envelope[T]) *string { return &e.APIVersion }, field.Meta{
				Doc: "The version of the format.", Required: true, Example: APIVersion,
			}),
			field.Set("kind", field.OneOf(kind), func(e *envelope[T]) *string { return &e.Kind }, field.Meta{
				Doc: "What the document describes.", Required: true, Example: kind,
			}),
			field.Child("metadata", head, func(e *envelope[T]) **metadata { return &e.Metadata }, field.Meta{
				Doc: head.Doc, Required: kind != kindRollout, Example: "{name: fraud-scorer}",
			}),
			field.Child("spec", spec, func(e *envelope[T]) **T { return &e.Spec }, field.Meta{
				Doc: spec.Doc, Required: true,
			}),
		},
	}
}

// The kinds of documents.
const (
	kindModel   = "Model"
	kindPolicy  = "Policy"
	kindRollout = "Rollout"
)

// metadataOf is the shape of each kind's metadata.
var metadataOf = map[string]*field.Shape{
	kindModel:   metadataShape(labelType, ""),
	kindPolicy:  metadataShape(labelType, ""),
	kindRollout: metadataShape(subdomainType, "MODEL-VERSION"),
}

var (
	modelDocument   = envelopeShape[Model](kindModel, modelShape)
	policyDocument  = envelopeShape[Policy](kindPolicy, policyShape)
	rolloutDocument = envelopeShape[Rollout](kindRollout, rolloutShape)
)
