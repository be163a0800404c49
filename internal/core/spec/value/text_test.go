package value_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	tests := map[string]struct {
		parse     func(string) (string, error)
		good, bad []string
	}{
		"labels":     {value.ParseLabel, []string{"a", "a-b", "0", long[:63]}, []string{"", "-a", "a-", "A", "a.b", "a_b", "ä", long}},
		"subdomains": {value.ParseSubdomain, []string{"a", "a.b-c", strings.Repeat("a.", 126) + "a"}, []string{"", "a..b", ".a", "a.", strings.Repeat("a.", 127) + "a"}},
		"versions":   {value.ParseVersion, []string{"v7", "7", "1.10", "a+b:c@d_e-f", long[:63]}, []string{"", ".a", "a b", "a/b", "ä", long}},
		"hosts":      {value.ParseHost, []string{"localhost", "a.example.com"}, []string{"", "a:80", "a_b", "http://a", "*.example.com"}},
		"prefixes":   {value.ParsePrefix, []string{"/", "/v1/score", "/a%20b", "/ü"}, []string{"", "v1", "/a?b", "/a#b", "/a b", "/a\n"}},
		"headers":    {value.ParseHeader, []string{"X-Model", "a!"}, []string{"", "a b", "a:", "ä"}},
		"secrets":    {value.ParseSecret, []string{"env:SLACK_URL", "env:_a1", "file:/run/x"}, []string{"", "SLACK", "env:", "env:1a", "env:a-b", "file:x", "vault:x", "file:/\n"}},
		"mail":       {value.ParseMail, []string{"a@b.example", "a.b+c@d"}, []string{"", "a", "@b", "a@", "a b@c", "a@b c", "<a@b>", "a,b@c"}},
		"lines":      {value.ParseLine, []string{"a b", "ä", "$(x)"}, []string{"", " ", "a\nb", "a\x00", strings.Repeat("a", 4097)}},
		"classes":    {value.ParseClass, []string{"fraud", "1", "a b", " ", "ä"}, []string{"", "a\n", strings.Repeat("a", 129)}},
		"outputs":    {outputName, []string{"score", "a b", "Höhe", "a:0", "~2", "/a", "/a~0b/~1/0", "//"}, []string{"", "/", " a", "a ", "a\n", "/a~2", "/a~", strings.Repeat("/a", 17), strings.Repeat("a", 129)}},
		"metrics":    {value.ParseMetric, []string{"error_rate", "outcome:x", "latency_p99.9", "9x", "output:/a b", "output:"}, []string{"", "_a", "a b", "ä", strings.Repeat("a", 129)}},
		"URLs": {
			value.ParseURL,
			[]string{"http://a", "https://a.b:8443/c", "http://[::1]:80", "http://127.0.0.1:1/"},
			[]string{"", "a", "a:80", "http://", "ftp://a", "http://a:0", "http://a:65536", "http://u@a", "http://a?b", "http://a?", "http://a#", "http://a b", "http:///a", "HTTP//a", "http://a/" + strings.Repeat("a", 2048)},
		},
		"endpoints": {value.ParseEndpoint, []string{"http://{model}-{version}.{environment}:80/x", "http://a:{version}"}, []string{"", "http://a", "{version}", "http://{version}{x}", "http://{version", "ftp://{version}"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range tt.good {
				if got, err := tt.parse(s); err != nil || got != s {
					t.Errorf("%q is read as %q, %v", s, got, err)
				}
			}
			for _, s := range tt.bad {
				got, err := tt.parse(s)
				var f *value.Fault
				if !errors.As(err, &f) || f.Message == "" || f.Hint == "" {
					t.Errorf("%q is read as %q, %v, want a fault with a hint", s, got, err)
				}
			}
		})
	}
	if got, err := value.ParseHost("Models.Example.COM"); err != nil || got != "models.example.com" {
		t.Errorf("a host in upper case is read as %q, %v", got, err)
	}
}

func TestBareValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "500": 500, "007": 7, "999999999999999": 999_999_999_999_999} {
		if got, err := value.ParseCount(text); err != nil || got != want {
			t.Errorf("ParseCount(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.0", "1e3", "1_000", "0x1", "9999999999999999"} {
		if got, err := value.ParseCount(text); err == nil {
			t.Errorf("ParseCount(%q) = %d, want an error", text, got)
		}
	}
	for text, want := range map[string]float64{"4": 4, "0.5": 0.5, "1000.25": 1000.25} {
		if got, err := value.ParseNumber(text); err != nil || got != want {
			t.Errorf("ParseNumber(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-4", "1e3", ".5", "NaN", "inf", "1,5"} {
		if got, err := value.ParseNumber(text); err == nil {
			t.Errorf("ParseNumber(%q) = %v, want an error", text, got)
		}
	}
	for text, hint := range map[string]string{"yes": "write true", "On": "write true", "TRUE": "write true", "no": "write false", "False": "write false", "1": "write true or false"} {
		var f *value.Fault
		if _, err := value.ParseBool(text); !errors.As(err, &f) || f.Hint != hint {
			t.Errorf("ParseBool(%q) = %v, want the hint %q", text, err, hint)
		}
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	if got, want := value.Expand("http://{model}-{version}.{environment}/{version}", "m", "v7", "dev"), "http://m-v7.dev/v7"; got != want {
		t.Errorf("Expand = %s, want %s", got, want)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"maxIncrease", "maxDecrease", "max", "min", "minSamples", "latency_p99", "latency_p50", "error_rate"}
	for s, want := range map[string]string{
		"maxIncreas": "maxIncrease", "max_increase": "maxIncrease", "MAXDECREASE": "maxDecrease", "maxDecraese": "maxDecrease",
		"mx": "max", "mim": "min", "min-samples": "minSamples", "latency_p9": "latency_p99", "latency": "latency_p99", "p50": "latency_p50",
		"errorrate": "error_rate", "rate": "error_rate", "zzz": "", "": "", "colour": "", strings.Repeat("max", 40): "",
	} {
		if got := value.Nearest(s, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	if got := value.Faultf("mend it", "%s is wrong", value.Quote("a\nb")).Error(); got != `"a\nb" is wrong; mend it` {
		t.Errorf("fault = %s", got)
	}
	if got := value.Faultf("", "wrong").Error(); got != "wrong" {
		t.Errorf("a fault without a hint = %s", got)
	}
	if got := value.Quote(strings.Repeat("ä", 100)); len(got) > 70 || !strings.HasSuffix(got, `…"`) {
		t.Errorf("a long text is quoted as %s", got)
	}
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := value.OrList(words); got != want {
			t.Errorf("OrList(%v) = %q, want %q", words, got, want)
		}
	}
}

// outputName reads the name of an output.
func outputName(s string) (string, error) {
	if f := value.OutputFault(s); f != nil {
		return "", f
	}
	return s, nil
}
