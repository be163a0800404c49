package stats

import (
	"fmt"
	"math"
	"testing"
)

// known is an answer printed elsewhere, with the digits it was printed with.
type known struct {
	got    float64
	want   float64
	digits int
}

// The answers below were computed by three programs that share no code: an
// earlier prototype, a Python program, and, where a comment says so, an
// integration with 30 digits in arbitrary precision. Where the prototype cut an
// integral short or stepped over a kink, the latter is what is asked for.

// check fails unless every answer agrees to its printed digits.
func check(t *testing.T, answers map[string]known) {
	t.Helper()
	for name, a := range answers {
		if !(math.Abs(a.got-a.want) <= 0.5000001*math.Pow(10, -float64(a.digits))) && a.got != a.want {
			t.Errorf("%s: got %.12f, want %.*f", name, a.got, a.digits, a.want)
		}
	}
}

var (
	ln11 = math.Log(1.1)
	ln12 = math.Log(1.2)
	ln20 = math.Log(20)

	caseA  = Counts{Strata: []Stratum{{NT: 100, NC: 9900, KT: 4, KC: 50}}}
	caseB  = Counts{Strata: []Stratum{{NT: 1000, NC: 99000, KT: 12, KC: 495}}}
	caseC  = Counts{Strata: []Stratum{{1000, 12, 99000, 495}, {10000, 95, 90000, 460}, {50000, 300, 50000, 240}}}
	caseC2 = Counts{Strata: caseC.Strata, Phi: 2}
	caseZ  = Counts{Strata: []Stratum{{NT: 1000, NC: 99000, KT: 0, KC: 495}}}
	caseD  = Counts{Strata: []Stratum{{NT: 1, NC: 99, KT: 1, KC: 0}}}
)

func TestTheNormalMixtureGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	check(t, map[string]known{
		"LogPhi(-5)":                   {LogPhi(-5), -15.0649983940, 10},
		"LogPhi(-25)":                  {LogPhi(-25), -316.63940801, 8},
		"LogPhi(-40)":                  {LogPhi(-40), -804.608442, 6},
		"Phi(1.96)":                    {math.Exp(LogPhi(1.96)), 0.975002104852, 12},
		"PhiInv(.95)":                  {phiInv(.95), 1.644853626951, 12},
		"z 0, info 100, tau .5":        {LogENormal(0, 100, .5), -1.6290482690, 10},
		"z 3, info 100, tau .5":        {LogENormal(3, 100, .5), 3.3893887971, 10},
		"z -3, info 100, tau .5":       {LogENormal(-3, 100, .5), -3.0270137713, 10},
		"z 3, info 1000, tau .1":       {LogENormal(3, 1000, .1), 3.5829907775, 10},
		"z -2, info 1000, tau .1":      {LogENormal(-2, 1000, .1), -2.2537447235, 10},
		"z 8, info 1e4, tau .1":        {LogENormal(8, 1e4, .1), 30.0687552390, 10},
		"z 3.2, info 100, Prior3(.5)":  {LogENormalMix(3.2, 100, Prior3(.5)), 3.5485305942, 10},
		"z 3.2, info 1000, Prior3(.1)": {LogENormalMix(3.2, 1000, Prior3(.1)), 3.6521417594, 10},
		"z* info 100":                  {ZBoundary(100, .05, Prior3(.5)), 3.001778, 6},
		"z* info 1e4, tau .1":          {ZBoundary(1e4, .05, Prior3(.1)), 3.046589, 6},
	})
}

// phiInv is where LogPhi reaches the logarithm of p.
func phiInv(p float64) float64 {
	low, high := -40.0, 40.0
	for range 100 {
		if middle := (low + high) / 2; LogPhi(middle) < math.Log(p) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func TestTheCriticalValueIsNearlyFlat(t *testing.T) {
	t.Parallel()
	infos := []float64{10, 30, 100, 1e3, 1e4, 1e5, 1e6}
	answers := map[string]known{}
	for _, row := range []struct {
		tau0, alpha float64
		z           [7]float64
	}{
		{.5, .05, [7]float64{3.0205, 2.9547, 3.0018, 3.0966, 3.3675, 3.6833, 3.9825}},
		{.5, .0125, [7]float64{3.5509, 3.4476, 3.4727, 3.5378, 3.7591, 4.0424, 4.3166}},
		{.5, .01, [7]float64{3.6270, 3.5196, 3.5414, 3.6037, 3.8184, 4.0973, 4.3680}},
		{.1, .05, [7]float64{3.4411, 3.2266, 3.1431, 2.9599, 3.0466, 3.2455, 3.5587}},
		{.1, .01, [7]float64{4.0657, 3.7848, 3.7235, 3.5149, 3.5790, 3.7155, 3.9860}},
	} {
		for i, info := range infos {
			name := fmt.Sprintf("tau0 %v, alpha %v, info %v", row.tau0, row.alpha, info)
			answers[name] = known{ZBoundary(info, row.alpha, Prior3(row.tau0)), row.z[i], 4}
		}
	}
	check(t, answers)
}

func TestEngineRGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	answers := map[string]known{
		"A fail 0":        {caseA.LogERatio(0, Up, p), 2.444013923, 9},
		"A fail ln1.2":    {caseA.LogERatio(ln12, Up, p), 2.025108795, 9},
		"A pass ln1.2":    {caseA.LogERatio(ln12, Down, Prior3(ln12)), -0.495357977, 9},
		"A pass ln2":      {caseA.LogERatio(math.Ln2, Down, Prior3(math.Ln2)), -1.019189479, 9},
		"A lower":         {caseA.RatioBound(ln20, Up, p), -0.213226, 6},
		"A upper":         {caseA.RatioBound(ln20, Down, p), 3.377971, 6},
		"B fail 0":        {caseB.LogERatio(0, Up, p), 2.051813501, 9},
		"B fail ln1.2":    {caseB.LogERatio(ln12, Up, p), 1.237999962, 9},
		"B pass ln1.2":    {caseB.LogERatio(ln12, Down, Prior3(ln12)), -0.724260684, 9},
		"B pass ln2":      {caseB.LogERatio(math.Ln2, Down, Prior3(math.Ln2)), -1.047369067, 9},
		"B lower":         {caseB.RatioBound(ln20, Up, p), -0.179972, 6},
		"B upper":         {caseB.RatioBound(ln20, Down, p), 1.633131, 6},
		"C fail 0":        {caseC.LogERatio(0, Up, p), 12.828270404, 9},
		"C fail ln1.2":    {caseC.LogERatio(ln12, Up, p), 2.668879843, 9},
		"C pass ln1.2":    {caseC.LogERatio(ln12, Down, Prior3(ln12)), -1.887180310, 9},
		"C pass ln2":      {caseC.LogERatio(math.Ln2, Down, Prior3(math.Ln2)), 7.721467048, 9},
		"C lower":         {caseC.RatioBound(ln20, Up, p), 0.173516, 6},
		"C upper":         {caseC.RatioBound(ln20, Down, p), 0.597341, 6},
		"C phi 2 fail 0":  {caseC2.LogERatio(0, Up, p), 5.726182778, 9},
		"C phi 2 fail 12": {caseC2.LogERatio(ln12, Up, p), 0.935754246, 9},
		"Z fail 0":        {caseZ.LogERatio(0, Up, p), -1.159409817, 9},
		"Z fail ln1.2":    {caseZ.LogERatio(ln12, Up, p), -1.257755054, 9},
		"Z pass ln1.2":    {caseZ.LogERatio(ln12, Down, Prior3(ln12)), 2.358183692, 9},
		"Z pass ln2":      {caseZ.LogERatio(math.Ln2, Down, Prior3(math.Ln2)), 7.752036898, 9},
		"Z lower":         {caseZ.RatioBound(ln20, Up, p), math.Inf(-1), 6},
		"Z upper":         {caseZ.RatioBound(ln20, Down, p), 0.004506, 6},
		"D Prior1(.5)":    {caseD.LogERatio(0, Up, Prior1(.5)), 0.441578353, 9},
		"D Prior3(.5)":    {caseD.LogERatio(0, Up, p), 1.470621551, 9},
	}
	for tau, want := range map[float64][3]float64{
		.02: {0.113042327, 0.104433312, -0.032891256},
		.1:  {0.607665775, 0.550549494, -0.188325300},
		.5:  {2.412276210, 1.983514653, -0.968089797},
		2.5: {1.942073802, 1.310951900, -2.458257350},
	} {
		name := fmt.Sprintf("B, single scale %v, ", tau)
		answers[name+"fail 0"] = known{caseB.LogERatio(0, Up, Prior1(tau)), want[0], 9}
		answers[name+"fail ln1.1"] = known{caseB.LogERatio(ln11, Up, Prior1(tau)), want[1], 9}
		answers[name+"pass ln2"] = known{caseB.LogERatio(math.Ln2, Down, Prior1(tau)), want[2], 9}
	}
	check(t, answers)
}

func TestQuantilesByExceedanceGiveTheKnownAnswers(t *testing.T) {
	t.Parallel()
	slow := Counts{Strata: []Stratum{{NT: 5000, KT: 116, NC: 20000, KC: 200}}}
	check(t, map[string]known{
		"fail": {slow.LogERatio(0, Up, Prior3(.5)), 21.085259673, 9},
		"pass": {slow.LogERatio(0, Down, Prior3(.5)), -2.950235257, 9},
	})
}

func TestOneSampleGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	check(t, map[string]known{
		"8 of 200 above 1%":  {LogEBernoulli(8, 200, .01, 1, Up, Prior1(.5)), 2.997485945, 9},
		"0 of 1000 below 1%": {LogEBernoulli(0, 1000, .01, 1, Down, Prior1(.5)), 4.701577014, 9},
		// With 30 digits; the prototype cut the widest scale short.
		"0 of 1000 below 0.1%":  {LogEBernoulli(0, 1000, .001, 1, Down, p), 0.39693568547, 9},
		"0 of 3000 below 0.1%":  {LogEBernoulli(0, 3000, .001, 1, Down, p), 1.5114630702149, 9},
		"0 of 5000 below 0.1%":  {LogEBernoulli(0, 5000, .001, 1, Down, p), 3.0022339115371, 9},
		"A above 0.1%":          {LogEBernoulli(4, 100, .001, 1, Up, p), 7.6576695251936, 9},
		"15 of 1000 above 0.1%": {LogEBernoulli(15, 1000, .001, 1, Up, p), 23.191570398159, 9},
	})
}

func TestSampleRatioMismatchGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	check(t, map[string]known{
		"60:9940 at 1%":    {LogESRM(60, 9940, .01, 1000), 7.452484305, 9},
		"5200:4800 at 50%": {LogESRM(5200, 4800, .5, 1000), 6.075817652, 9},
		"100:9900 at 1%":   {LogESRM(100, 9900, .01, 1000), -1.206521391, 9},
	})
}

func TestTheSandwichGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	s1 := Buckets{
		KT: []float64{10, 0, 2, 0}, NT: []float64{100, 120, 90, 110},
		KC: []float64{30, 5, 1, 8}, NC: []float64{400, 380, 420, 410},
	}
	s2 := Buckets{
		KT: []float64{3, 1, 0, 2}, NT: []float64{50, 60, 40, 55},
		KC: []float64{2, 1, 1, 3}, NC: []float64{52, 58, 45, 50},
	}
	mle := Counts{Strata: []Stratum{{NT: 420, KT: 12, NC: 1610, KC: 44}}}.RatioMLE()
	check(t, map[string]known{
		"MLE":             {mle, 0.044451763, 9},
		"at 0":            {SandwichPhi([]Buckets{s1}, 0), 1.715295312, 9},
		"at the MLE":      {SandwichPhi([]Buckets{s1}, mle), 1.570432872, 9},
		"two strata at 0": {SandwichPhi([]Buckets{s1, s2}, 0), 1.610938534, 9},
	})
}

func TestEngineDGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	p := Prior3(.005)
	z := Counts{Strata: []Stratum{{NT: 1000, NC: 99000}}}
	z2 := Counts{Strata: []Stratum{{NT: 1000, NC: 1000, KT: 15}}}
	s := Counts{Strata: []Stratum{{NT: 2000, NC: 2000, KT: 140, KC: 100}}}
	check(t, map[string]known{
		"A fail":            {caseA.LogEDiff(.005, 1, Up, p), 1.299233721, 9},
		"A pass":            {caseA.LogEDiff(.005, 1, Down, p), -0.936650541, 9},
		"B fail":            {caseB.LogEDiff(.005, 1, Up, p), -0.220322628, 9},
		"B pass":            {caseB.LogEDiff(.005, 1, Down, p), -0.956184098, 9},
		"B fail, one scale": {caseB.LogEDiff(.005, 1, Up, Prior1(.005)), -0.085566871, 9},
		"B pass, one scale": {caseB.LogEDiff(.005, 1, Down, Prior1(.005)), -1.117685535, 9},
		"Z fail":            {z.LogEDiff(.005, 1, Up, p), -1.537917419, 9},
		"Z pass":            {z.LogEDiff(.005, 1, Down, p), 2.3490014408666, 9}, // with 30 digits, split at the kink
		"Z fail, one scale": {z.LogEDiff(.005, 1, Up, Prior1(.005)), -1.877371623, 9},
		"Z pass, one scale": {z.LogEDiff(.005, 1, Down, Prior1(.005)), 2.843998314, 9},
		"Z2 fail":           {z2.LogEDiff(.005, 1, Up, p), 3.8666965040254, 9}, // with 30 digits, split where c leaves 0
		"Z2 pass":           {z2.LogEDiff(.005, 1, Down, p), -1.536200104, 9},
		"C fail":            {caseC.LogEDiff(.005, 1, Up, p), -4.032396512, 9},
		"C pass":            {caseC.LogEDiff(.005, 1, Down, p), 22.720223135, 9},
		"C fail .0005":      {caseC.LogEDiff(.0005, 1, Up, Prior3(.0005)), 5.385951478, 9},
		"C pass .0005":      {caseC.LogEDiff(.0005, 1, Down, Prior3(.0005)), -1.590344769, 9},
		"C phi 2 fail":      {caseC2.LogEDiff(.0005, 1, Up, Prior3(.0005)), 2.176487416, 9},
		"C phi 2 pass":      {caseC2.LogEDiff(.0005, 1, Down, Prior3(.0005)), -1.165802027, 9},
		"S fail":            {s.LogEDiff(.02, .98, Up, Prior3(.02)), -0.804925505, 9},
		"S pass":            {s.LogEDiff(.02, .98, Down, Prior3(.02)), -0.957987480, 9},
		"S fail, one scale": {s.LogEDiff(.02, .98, Up, Prior1(.02)), -0.944998711, 9},
		"S pass, one scale": {s.LogEDiff(.02, .98, Down, Prior1(.02)), -1.154022337, 9},
	})
}

func TestIgnoreBelowGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	z2 := Counts{Strata: []Stratum{{NT: 1000, NC: 1000, KT: 15}}}
	two := Counts{Strata: []Stratum{{1000, 20, 1000, 10}, {1000, 3, 99000, 0}}}
	check(t, map[string]known{
		"A fail":            {caseA.LogEIgnoreFail(ln12, .001, p), 2.025108795, 9},
		"Z2 fail":           {z2.LogEIgnoreFail(ln12, .001, p), 6.0016971505749, 9}, // with 30 digits, split at the kink
		"Z2 relative":       {z2.LogERatio(ln12, Up, p), 6.435781631, 9},
		"two strata":        {two.LogEIgnoreFail(ln12, .001, p), 1.010539985, 9},
		"two strata, ratio": {two.LogERatio(ln12, Up, p), 1.847669209, 9},
	})
}
