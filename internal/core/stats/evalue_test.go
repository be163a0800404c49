package stats

import (
	"math"
	"testing"
)

func TestAveragesInLogsAreTheAverages(t *testing.T) {
	t.Parallel()
	check(t, map[string]known{
		"sum":                            {LogSumExp([]float64{0, math.Log(2), math.Log(3)}), math.Log(6), 12},
		"mean":                           {LogMeanExp([]float64{0, math.Log(2), math.Log(3)}), math.Log(2), 12},
		"sum far out":                    {LogSumExp([]float64{1e5, 1e5}), 1e5 + math.Ln2, 9},
		"sum of nothing":                 {LogSumExp(nil), math.Inf(-1), 9},
		"mean of nothing":                {LogMeanExp(nil), math.Inf(-1), 9},
		"sum with an impossible":         {LogSumExp([]float64{math.Inf(-1), 0}), 0, 12},
		"gate: half and half":            {GateLogE(math.Log(4), []float64{math.Log(8), math.Log(2)}, 2), math.Log(4.5), 12},
		"gate: stages not begun":         {GateLogE(math.Log(4), []float64{math.Log(8)}, 4), math.Log(2 + 11.0/8), 12},
		"gate: no stage":                 {GateLogE(math.Log(4), nil, 0), math.Log(2.5), 12},
		"gate: more than planned":        {GateLogE(0, []float64{math.Log(3), math.Log(3)}, 1), math.Log(2), 12},
		"gate: NaN is no bet":            {GateLogE(math.NaN(), []float64{math.NaN()}, 1), 0, 12},
		"gate: capped":                   {GateLogE(1e6, nil, 1), CapLogE - math.Ln2, 9},
		"gate: capped everywhere":        {GateLogE(1e6, []float64{1e6, math.Inf(1)}, 2), CapLogE, 9},
		"average":                        {AverageLogE([]float64{.25, .75}, []float64{math.Log(8), math.Log(4)}), math.Log(5), 12},
		"average: shares below one":      {AverageLogE([]float64{.5}, []float64{0}), math.Log(.5), 12},
		"average: no share":              {AverageLogE([]float64{0, math.NaN(), -1}, []float64{9, 9, 9}), 0, 12},
		"average: nothing":               {AverageLogE(nil, nil), 0, 12},
		"average: NaN is no bet":         {AverageLogE([]float64{.5, .5}, []float64{math.NaN(), math.Log(3)}), math.Log(2), 12},
		"average: capped":                {AverageLogE([]float64{1, 0}, []float64{1e9, 0}), CapLogE, 9},
		"average: all evidence is gone":  {AverageLogE([]float64{1}, []float64{math.Inf(-1)}), math.Inf(-1), 9},
		"average: longer list of shares": {AverageLogE([]float64{.5, .5}, []float64{math.Log(6)}), math.Log(3), 12},
	})
}

func TestAStageOfItsOwnFindsWhatThePoolDilutes(t *testing.T) {
	t.Parallel()
	// Three stages without harm, then double the errors under half of the load.
	stages := []Stratum{
		{NT: 1000, KT: 5, NC: 99000, KC: 495},
		{NT: 10000, KT: 50, NC: 90000, KC: 450},
		{NT: 25000, KT: 125, NC: 75000, KC: 375},
		{NT: 8000, KT: 64, NC: 8000, KC: 40},
	}
	p := Prior3(.5)
	pooled := Counts{Strata: stages}.LogERatio(0, Up, p)
	var perStage []float64
	for _, s := range stages {
		perStage = append(perStage, Counts{Strata: []Stratum{s}}.LogERatio(0, Up, p))
	}
	if got := GateLogE(pooled, perStage, 5); !(got > pooled) {
		t.Errorf("gate %v, pooled alone %v, stages %v", got, pooled, perStage)
	}
}
