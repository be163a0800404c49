package spec

// The rows of a Model and of the parts of it that a Rollout shares.

// Bounds of lists. They are far beyond what a person writes.
const (
	maxEnvironments = 8
	maxStages       = 32
	maxGates        = 32
	maxWords        = 64
	maxSegmentKeys  = 4
	maxNotices      = 16
)

var versionShape = &shape{
	name: "version",
	doc:  "One build of a model and where it answers.",
	fields: []field{
		set("version", versionType, func(v *Version) *string { return &v.Version }, meta{
			doc: "The name of the build, unique for the model. Quotes are not needed for numbers.", required: true, example: "v7"}),
		set("url", urlType, func(v *Version) *string { return &v.URL }, meta{
			doc: "Where the version answers. It may be left out where the model has an `endpoint`.", example: "http://localhost:9007"}),
		set("as", lineType, func(v *Version) *string { return &v.As }, meta{
			doc: "The name under which this server knows the model, when it differs from the model's name; requests are rewritten.", example: "fraud-v7"}),
		many("run", lineType, func(v *Version) *[]string { return &v.Run }, meta{
			most: maxWords, doc: "The command that starts the server of this version, word by word; it is stopped when the version is not needed any more.",
			example: `["./serve.sh", "v7"]`}),
	},
}

var headerShape = &shape{
	name: "header",
	doc:  "A header that a request must carry.",
	fields: []field{
		set("name", headerType, func(h *HeaderMatch) *string { return &h.Name }, meta{
			doc: "The name of the header; case does not matter.", required: true, example: "X-Model"}),
		set("value", lineType, func(h *HeaderMatch) *string { return &h.Value }, meta{
			doc: "The exact value of the header.", required: true, example: "fraud-scorer"}),
	},
	inline: true,
}

var routeShape = &shape{
	name: "route",
	doc:  "Which requests are for the model. All parts that are written must match.",
	fields: []field{
		set("host", hostType, func(r *Route) *string { return &r.Host }, meta{
			doc: "The host name of the request, without a port.", example: "models.example.com"}),
		set("pathPrefix", prefixType, func(r *Route) *string { return &r.PathPrefix }, meta{
			doc: "The beginning of the path, whole segments only.", computed: "/v2/models/NAME under protocol v2, otherwise /", example: "/fraud"}),
		child("header", headerShape, func(r *Route) **HeaderMatch { return &r.Header }, meta{
			doc: "A header that the request must carry.", example: "{name: X-Model, value: fraud}"}),
	},
	inline: true,
}

var modelEnvironmentShape = &shape{
	name: "environment",
	doc:  "Where the model answers in one environment.",
	fields: []field{
		set("name", labelType, func(e *ModelEnvironment) *string { return &e.Name }, meta{
			doc: "The name that policies use.", required: true, example: "staging"}),
		child("serving", versionShape, func(e *ModelEnvironment) **Version { return &e.Serving }, meta{
			doc: "The version that serves there now."}),
		child("route", routeShape, func(e *ModelEnvironment) **Route { return &e.Route }, meta{
			doc: "Which requests are for the model there."}),
	},
}

var modelShape = &shape{
	name: "model",
	doc:  "A served model: how it is reached and how its callers are told apart.",
	fields: []field{
		set("protocol", oneOf(ProtocolV2, ProtocolOpenAI, ProtocolGRPC, ProtocolHTTP), func(m *Model) *Protocol { return &m.Protocol }, meta{
			doc: "How the model's servers are spoken to: v2 is the Open Inference Protocol over HTTP, openai the OpenAI API, grpc the Open Inference Protocol over gRPC, http anything else.",
			def: "v2", example: "v2"}),
		set("unit", unitType, func(m *Model) *Unit { return &m.Unit }, meta{
			doc: "What is assigned to an arm: every request by itself, or all requests that have the same value of a header, a cookie, a query parameter or a place in the JSON body.",
			def: "request", example: "header:X-User-Id"}),
		child("serving", versionShape, func(m *Model) **Version { return &m.Serving }, meta{
			doc: "The version that serves now: the baseline of the next rollout.", example: "{version: v6, url: http://localhost:9006}"}),
		set("endpoint", endpointType, func(m *Model) *string { return &m.Endpoint }, meta{
			doc:     "Where any version answers in any environment, with {version}, {environment} and {model} in place of their names.",
			example: "http://fraud-{version}.{environment}:8080"}),
		child("route", routeShape, func(m *Model) **Route { return &m.Route }, meta{
			doc: "Which requests are for the model.", example: "{pathPrefix: /fraud}"}),
		set("pin", oneOf(PinAllow, PinDeny), func(m *Model) *Pin { return &m.Pin }, meta{
			doc: "Whether callers may choose an arm with the header Belay-Pin, where the policy has `allowPin: true`.", def: "allow", example: "deny"}),
		children("environments", modelEnvironmentShape, func(m *Model) *[]ModelEnvironment { return &m.Environments }, meta{
			most: maxEnvironments, doc: "The endpoints of the model in each environment, where they differ."}),
	},
}

var policyShape = &shape{
	name: "policy",
	doc:  "A reusable plan. What it does not say comes from the policy that it extends.",
	fields: append([]field{
		set("extends", labelType, func(p *Policy) *string { return &p.Extends }, meta{
			doc:     "The policy that fills what this one leaves out: a preset (fast, standard, cautious) or another policy. Objects are filled field by field; a list replaces the whole list.",
			example: "standard"}),
	}, lift(planFields, func(p *Policy) *Plan { return &p.Plan })...),
}

var rolloutShape = &shape{
	name: "rollout",
	doc:  "One candidate's way to 100 %. Fields of a policy that are written here replace those of its policy.",
	fields: append([]field{
		set("model", labelType, func(r *Rollout) *string { return &r.Model }, meta{
			doc: "The name of the model.", required: true, example: "fraud-scorer"}),
		child("candidate", versionShape, func(r *Rollout) **Version { return &r.Candidate }, meta{
			doc: "The version that is rolled out.", required: true, example: "{version: v7, url: http://localhost:9007}"}),
		set("policy", labelType, func(r *Rollout) *string { return &r.Policy }, meta{
			doc: "The policy or preset that gives the plan.", def: "standard", example: "tier-1"}),
	}, lift(planFields, func(r *Rollout) *Plan { return &r.Plan })...),
}

// metadata is the part that all kinds have.
type metadata struct{ Name string }

func metadataShape(name scalar[string], computed string) *shape {
	return &shape{
		name: "metadata",
		doc:  "What the document is called.",
		fields: []field{
			set("name", name, func(m *metadata) *string { return &m.Name }, meta{
				doc: "The name, unique among documents of the kind.", required: computed == "", computed: computed, example: "fraud-scorer"}),
		},
		inline: true,
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
func envelopeShape[T any](kind string, spec *shape) *shape {
	head := metadataOf[kind]
	return &shape{
		name: kind,
		doc:  spec.doc,
		fields: []field{
			set("apiVersion", oneOf(APIVersion), func(e *envelope[T]) *string { return &e.APIVersion }, meta{
				doc: "The version of the format.", required: true, example: APIVersion}),
			set("kind", oneOf(kind), func(e *envelope[T]) *string { return &e.Kind }, meta{
				doc: "What the document describes.", required: true, example: kind}),
			child("metadata", head, func(e *envelope[T]) **metadata { return &e.Metadata }, meta{
				doc: head.doc, required: kind != kindRollout, example: "{name: fraud-scorer}"}),
			child("spec", spec, func(e *envelope[T]) **T { return &e.Spec }, meta{
				doc: spec.doc, required: true}),
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
var metadataOf = map[string]*shape{
	kindModel:   metadataShape(labelType, ""),
	kindPolicy:  metadataShape(labelType, ""),
	kindRollout: metadataShape(subdomainType, "MODEL-VERSION"),
}

var (
	modelDocument   = envelopeShape[Model](kindModel, modelShape)
	policyDocument  = envelopeShape[Policy](kindPolicy, policyShape)
	rolloutDocument = envelopeShape[Rollout](kindRollout, rolloutShape)
)
