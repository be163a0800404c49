package stats

import (
	"math"
	"testing"
)

func TestTheBandGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	check(t, map[string]known{
		"C .05":      {DKWConstant(.05), 8.12272, 5},
		"C .025":     {DKWConstant(.025), 8.62265, 5},
		"C .0125":    {DKWConstant(.0125), 9.12261, 5},
		"C .005":     {DKWConstant(.005), 9.78337, 5},
		"b 1000":     {DKWBand(1000, DKWConstant(.05)), 0.082048, 6},
		"b 100000":   {DKWBand(1e5, DKWConstant(.05)), 0.008581, 6},
		"b too few":  {DKWBand(99, DKWConstant(.05)), math.Inf(1), 6},
		"C no alpha": {DKWConstant(0), math.Inf(1), 6},
	})
}
