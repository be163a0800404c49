package scrape

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/belay-rollouts/belay/internal/core/query"
)

// page parses the lines and hands their series to the selectors. A series that
// stands twice on a page has no value.
func (c *chosen) page(want []query.Selector) (query.Page, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&c.text)
	if err != nil {
		return nil, c.located(err)
	}
	out := make(query.Page, len(want))
	for i, s := range want {
		out[i] = []query.Point{}
		seen := map[string]bool{}
		for _, m := range families[s.Name].GetMetric() {
			labels := labelsOf(m)
			if !s.Matches(func(name string) string { return labels[name] }) {
				continue
			}
			key := keyOf(s.Name, labels)
			if seen[key] {
				return nil, fmt.Errorf("its page has one series twice: %s", clip(key))
			}
			seen[key] = true
			out[i] = append(out[i], query.Point{Key: key, Value: m.GetUntyped().GetValue()})
		}
	}
	return out, nil
}

// located names the line of the page that the parser complains of.
func (c *chosen) located(err error) error {
	if e, ok := errors.AsType[expfmt.ParseError](err); ok && e.Line > 0 && e.Line <= len(c.numbers) {
		return fmt.Errorf("line %d of its page cannot be read: %s", c.numbers[e.Line-1], clip(e.Msg))
	}
	return fmt.Errorf("its page cannot be read: %w", err)
}

func labelsOf(m *dto.Metric) map[string]string {
	out := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// keyOf writes a series with its labels in order.
func keyOf(name string, labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, label+"="+strconv.Quote(labels[label]))
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}
