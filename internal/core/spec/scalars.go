package spec

import (
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// The scalars of the table.
var (
	weightType = field.Scalar[Weight]{
		Name: "a percentage such as 10%", Parse: value.ParseWeight, Text: Weight.String,
		JSON: field.Pattern(`^[0-9]+(\.[0-9]{1,2}0*)? ?%$`),
	}
	percentType = field.Scalar[Fraction]{
		Name: "a percentage such as 5%", Parse: value.ParseFraction, Text: Fraction.String,
		JSON: field.Pattern(`^[0-9]+(\.[0-9]+)? ?%$`),
	}
	marginType = field.Scalar[Margin]{
		Name: "a margin such as 20% or 0.5pp", Parse: value.ParseMargin, Text: Margin.String,
		JSON: field.Pattern(`^[0-9]+(\.[0-9]+)? ?(%|pp)$`),
	}
	boundType = field.Scalar[Bound]{
		Name: "a limit such as 5%, 800ms or 120", Parse: value.ParseBound, Text: Bound.String, Loose: true,
		JSON: map[string]any{"type": []string{"string", "number"}, "pattern": `^[0-9]+(\.[0-9]+)?( ?%|d|h|m|s|ms|B|KiB|MiB|GiB|TiB)?([0-9].*)?$`},
	}
	rateType = field.Scalar[Rate]{
		Name: "a rate such as 200/s", Parse: value.ParseRate, Text: Rate.String,
		JSON: field.Pattern(`^[0-9]+(\.[0-9]+)?/[smh]$`),
	}
	durationType = field.Scalar[time.Duration]{
		Name: "a duration such as 30m", Parse: value.ParseDuration, Text: value.FormatDuration,
		JSON: field.Pattern(`^(0|([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?)$`),
	}
	unitType = field.Scalar[Unit]{
		Name: "request, header:NAME, cookie:NAME, query:NAME or json:/POINTER", Parse: value.ParseUnit, Text: Unit.String,
		JSON: field.Pattern(`^(request|(header|cookie|query):.+|json:/.*)$`),
	}
	boolType   = field.Scalar[bool]{Name: "true or false", Parse: value.ParseBool, Text: strconv.FormatBool, Bare: true, JSON: map[string]any{"type": "boolean"}}
	countType  = field.Scalar[int64]{Name: "a whole number", Parse: value.ParseCount, Text: func(n int64) string { return strconv.FormatInt(n, 10) }, Bare: true, JSON: map[string]any{"type": "integer"}}
	numberType = field.Scalar[float64]{Name: "a number", Parse: value.ParseNumber, Text: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }, Bare: true, JSON: map[string]any{"type": "number"}}

	labelType     = field.Text("a name", `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`, value.ParseLabel)
	subdomainType = field.Text("a name", `^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`, value.ParseSubdomain)
	versionType   = field.Scalar[string]{
		Name: "a version", Parse: value.ParseVersion, Text: func(s string) string { return s },
		JSON: map[string]any{"type": []string{"string", "number"}, "pattern": `^[A-Za-z0-9][A-Za-z0-9._+:@-]{0,62}$`},
	}
	urlType      = field.Text("a URL such as http://localhost:9007", `^https?://`, value.ParseURL)
	pageType     = field.Text("the URL of a page such as http://localhost:9007/metrics", `^https?://`, value.ParsePage)
	endpointType = field.Text("a URL with {version} and {environment}", `^https?://`, value.ParseEndpoint)
	hostType     = field.Text("a host name", `^[A-Za-z0-9.-]+$`, value.ParseHost)
	prefixType   = field.Text("a path that starts with /", `^/`, value.ParsePrefix)
	headerType   = field.Text("the name of a header", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", value.ParseHeader)
	secretType   = field.Text("where the secret is, env:NAME or file:/PATH", `^(env:[A-Za-z_]|file:/)`, value.ParseSecret)
	mailType     = field.Text("an address such as team@example.com", `@`, value.ParseMail)
	metricType   = field.Text("the name of a metric", `^([A-Za-z0-9_.:-]+|output:.+)$`, value.ParseMetric)
	classType    = field.Scalar[string]{
		Name: "a label or a number", Parse: value.ParseClass, Text: func(s string) string { return s },
		JSON: map[string]any{"type": []string{"string", "number"}},
	}
	lineType = field.Text("text", "", value.ParseLine)
)
