package planner

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/problem"
)

// rank is the rank of a quantile metric: 0.99 of latency_p99.
func rank(metric string) (float64, bool) {
	digits, ok := strings.CutPrefix(metric, "latency_")
	if !ok {
		return 0, false
	}
	return percentile(digits)
}

// percentile reads p99 and p99.9 as ranks.
func percentile(s string) (float64, bool) {
	digits, ok := strings.CutPrefix(s, "p")
	if !ok || !value.IsDecimal(digits) {
		return 0, false
	}
	x := value.Shifted(digits, -2)
	return x, x > 0 && x < 1
}

// Declare reads a traffic from texts: the rate as 100/s, 6000/min or 10/h, and
// what the metrics of the baseline are at, each as METRIC=VALUE with more behind
// commas:
//
//	error_rate=0.5%
//	latency_p99=120ms,p50=40ms
//	outcome:conversion=5%,share=20%,delay=30m
//	outcome:revenue=12.5,cv=8,nonzero=3%
//	memory=2GiB,spread=3%,correlation=0.5
//	output:label=fraud=5%
//
// An empty rate is left at 0, to be filled in from a measurement. The error names
// all mistakes.
func Declare(rate string, baselines []string) (Traffic, error) {
	d := declaring{
		traffic:   Traffic{Levels: map[string]Level{}, Origin: "declared"},
		quantiles: map[float64]time.Duration{},
	}
	if rate != "" {
		r, err := parseRate(rate)
		d.traffic.Rate = r
		d.fault("the rate", err)
	}
	for _, text := range baselines {
		name, rest, ok := named(text)
		if name = strings.TrimSpace(name); !ok || name == "" {
			d.fault(fmt.Sprintf("the baseline %q", text), errors.New("it is not METRIC=VALUE; write one such as error_rate=0.5%"))
			continue
		}
		d.fault("the baseline of "+name, d.level(name, rest))
	}
	if len(d.quantiles) > 0 && len(d.faults) == 0 {
		shape, err := NewLatency(d.quantiles)
		if d.traffic.Latency = shape; err != nil {
			d.faults = append(d.faults, err)
		}
	}
	return d.traffic, problem.Join(d.faults...)
}

// named cuts METRIC=VALUE. The class of an output is part of its name:
// output:label=fraud=5%.
func named(text string) (name, rest string, ok bool) {
	at := strings.Index(text, "=")
	if strings.HasPrefix(strings.TrimSpace(text), value.OutputPrefix) {
		head, _, _ := strings.Cut(text, ",")
		at = strings.LastIndex(head, "=")
	}
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

// parseRate reads a rate, also with the units min, sec and hour.
func parseRate(text string) (float64, error) {
	number, per, _ := strings.Cut(strings.TrimSpace(text), "/")
	if short, ok := map[string]string{"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h"}[per]; ok {
		per = short
	}
	if per != "" {
		number += "/" + per
	}
	r, err := value.ParseRate(number)
	if err == nil && r <= 0 {
		err = errors.New("it is 0; write how many requests the model gets, such as 100/s")
	}
	return float64(r), err
}

// declaring is a traffic on its way.
type declaring struct {
	traffic   Traffic
	quantiles map[float64]time.Duration
	faults    []error
}

func (d *declaring) fault(what string, err error) {
	if err != nil {
		d.faults = append(d.faults, problem.New(problem.Invalid, "%s: %v", what, err))
	}
}

// level reads what a metric is at.
func (d *declaring) level(name, text string) error {
	if _, twice := d.traffic.Levels[name]; twice {
		return errors.New("it is given twice")
	}
	first, rest, _ := strings.Cut(text, ",")
	first = strings.TrimSpace(first)
	var l Level
	if at, is := rank(name); is {
		v, err := value.ParseDuration(first)
		if err != nil {
			return err
		}
		d.quantiles[at] = v
		l.Unit = value.BoundSeconds
	} else {
		b, err := value.ParseBound(first)
		if err != nil {
			return err
		}
		l.Value, l.Unit = b.Value, b.Unit
	}
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, ",")
		key, v, ok := strings.Cut(part, "=")
		if !ok {
			return fmt.Errorf("%q is not KEY=VALUE", strings.TrimSpace(part))
		}
		if err := d.more(&l, strings.TrimSpace(key), strings.TrimSpace(v)); err != nil {
			return err
		}
	}
	d.traffic.Levels[name] = l
	return nil
}

// levelKeys are what can be said of a level.
var levelKeys = []string{"cv", "nonzero", "share", "delay", "dispersion", "spread", "correlation"}

// more reads one more thing that is said of a level.
func (d *declaring) more(l *Level, key, text string) (err error) {
	switch strings.ToLower(key) {
	case "cv":
		l.CV, err = parseNumber(text)
	case "nonzero":
		l.NonZero, err = parseShare(text)
	case "share":
		l.Share, err = parseShare(text)
	case "delay":
		l.Delay, err = value.ParseDuration(text)
	case "dispersion":
		l.Dispersion, err = parseNumber(text)
	case "spread":
		l.Spread, err = parseShare(text)
	case "correlation":
		l.Correlation, err = parseNumber(text)
	default:
		return d.quantile(key, text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// quantile reads a further quantile of the latency: p50=40ms.
func (d *declaring) quantile(key, text string) error {
	at, is := percentile(key)
	if !is {
		hint := "write one of " + strings.Join(levelKeys, ", ") + ", or p50 and the like of a latency"
		if near := value.Nearest(key, levelKeys); near != "" {
			hint = "did you mean " + strconv.Quote(near) + "?"
		}
		return fmt.Errorf("nothing is known of %q; %s", key, hint)
	}
	v, err := value.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if had, twice := d.quantiles[at]; twice && had != v {
		return fmt.Errorf("%s is %v already", key, had)
	}
	d.quantiles[at] = v
	return nil
}

// parseShare reads a percentage as a fraction.
func parseShare(text string) (float64, error) {
	f, err := value.ParseFraction(text)
	return float64(f), err
}

// parseNumber reads a plain number.
func parseNumber(text string) (float64, error) {
	if !value.IsDecimal(text) {
		return 0, fmt.Errorf("%q is not a number; write one such as 8 or 0.5", text)
	}
	return value.Shifted(text, 0), nil
}
