package stats

// Covariate are the sums of a metric y and of a covariate x, which was known
// before the exposure, over the units of one arm in one stratum. They are
// merged by addition.
type Covariate struct {
	N  float64 `json:"n"`
	X  float64 `json:"x"`
	Y  float64 `json:"y"`
	XX float64 `json:"xx"`
	XY float64 `json:"xy"`
	YY float64 `json:"yy"`
}

// Add adds one unit. A unit of which one value is not a finite number is left
// out.
func (c *Covariate) Add(x, y float64) {
	c.Merge(Covariate{N: 1, X: x, Y: y, XX: x * x, XY: x * y, YY: y * y})
}

// Merge adds the sums of other units; sums that cannot be are left out.
func (c *Covariate) Merge(o Covariate) {
	if !o.possible() {
		return
	}
	c.N += o.N
	c.X += o.X
	c.Y += o.Y
	c.XX += o.XX
	c.XY += o.XY
	c.YY += o.YY
}

// Theta returns the slope of y on x, by which variance is best reduced (Deng,
// Xu, Kohavi and Walker, WSDM 2013: CUPED). To stay valid it is taken from the
// baseline, over strata that were complete before the one it is applied to. It
// is 0, which reduces nothing, when x does not vary, and for sums that cannot
// be.
func (c Covariate) Theta() float64 {
	xx, xy, _ := c.variances()
	if !(xx > 0) {
		return 0
	}
	return xy / xx
}

// Reduction returns the share of y's variance that is left under the best
// slope, 1 - rho^2; 1 when there is nothing to estimate.
func (c Covariate) Reduction() float64 {
	xx, xy, yy := c.variances()
	if !(xx > 0) || !(yy > 0) {
		return 1
	}
	return max(0, 1-xy/xx*(xy/yy))
}

// MeanX returns the mean of the covariate over all units of the arms, the
// centre to hand to Adjusted; 0 when there is none.
func MeanX(arms ...Covariate) float64 {
	var sum Covariate
	for _, a := range arms {
		sum.Merge(a)
	}
	if sum.N == 0 {
		return 0
	}
	return sum.X / sum.N
}

// Adjusted returns the arm's statistics of the adjusted values
// y - theta*(x - centre), to be judged by Means in place of the plain ones. The
// centre is MeanX of both arms of the stratum: exposure is random, so the arms
// have the same mean of x, and what differs by chance is taken back. nonZero is
// the number of plain values that are not zero; it is passed on.
//
// The zero MeanArm, which gives no evidence, is returned for fewer than two
// units and for numbers that cannot be.
func (c Covariate) Adjusted(theta, centre, nonZero float64) MeanArm {
	if !c.possible() || c.N < 2 || !isFinite(theta) || !isFinite(centre) || !isCount(nonZero) {
		return MeanArm{}
	}
	xx, xy, yy := c.variances()
	arm := MeanArm{
		N:       c.N,
		Mean:    c.Y/c.N - theta*(c.X/c.N-centre),
		Var:     max(0, yy-2*theta*xy+theta*theta*xx),
		NonZero: min(nonZero, c.N),
	}
	if !arm.possible() {
		return MeanArm{}
	}
	return arm
}

// variances returns the unbiased estimates of the variance of x, of the
// covariance, and of the variance of y; 0 for fewer than two units.
func (c Covariate) variances() (xx, xy, yy float64) {
	if !c.possible() || c.N < 2 {
		return 0, 0, 0
	}
	n := c.N - 1
	xx = max(0, c.XX-c.X/c.N*c.X) / n
	yy = max(0, c.YY-c.Y/c.N*c.Y) / n
	xy = (c.XY - c.X/c.N*c.Y) / n
	// What is left of sums whose digits have cancelled is no variance.
	if xx <= cancelled*c.XX/c.N {
		xx, xy = 0, 0
	}
	if yy <= cancelled*c.YY/c.N {
		yy, xy = 0, 0
	}
	return xx, xy, yy
}

// cancelled is the share of a mean square below which a variance that was
// computed from sums is rounding.
const cancelled = 1e-12

// possible reports whether the sums can be those of units.
func (c Covariate) possible() bool {
	return isCount(c.N) && isCount(c.XX) && isCount(c.YY) &&
		isFinite(c.X) && isFinite(c.Y) && isFinite(c.XY)
}
