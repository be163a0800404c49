package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/draw"
)

const allAtOnce = rule.AllAtOnceName

// percent writes a share as whole percents where that says enough.
func percent(share float64) string {
	switch {
	case math.IsNaN(share):
		return "–"
	case share > 0 && share < 0.1 || share > 0.9 && share < 1:
		return strings.TrimSuffix(strconv.FormatFloat(100*share, 'f', 1, 64), ".0") + " %"
	}
	return strconv.FormatFloat(100*share, 'f', 0, 64) + " %"
}

// fine writes a share with two more digits.
func fine(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return strconv.FormatFloat(100*share, 'f', 2, 64) + " %"
}

// perMinute writes a rate of requests.
func perMinute(rate int) string { return draw.Thousands(rate) + "/min" }

// span writes minutes as people do.
func span(minutes int) string {
	switch {
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 600:
		return fmt.Sprintf("%d h %02d", minutes/60, minutes%60)
	}
	return fmt.Sprintf("%.0f h", float64(minutes)/60)
}

// percentOf writes a small share as a percent with two digits that say something.
func percentOf(share float64) string {
	return strconv.FormatFloat(100*share, 'g', 2, 64) + " %"
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
