package rollout

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func TestAMeanIsCompiledWithAllThatItIsCountedBy(t *testing.T) {
	t.Parallel()
	p := compiled(t, demoModel+rampPolicyText+`
    - {metric: "outcome:revenue", kind: mean, maxDecrease: 5%, per: exposure, horizon: 1s, cap: 200}
    - {metric: "outcome:spend", kind: mean, maxIncrease: 10%, covariate: true}
`)
	revenue, spend := p.Gates[0], p.Gates[1]
	if revenue.Kind != gate.Mean || revenue.Worse != stats.Down || revenue.Margin != -0.05 || !revenue.PerExposure || revenue.Covariate {
		t.Errorf("revenue: %+v", revenue)
	}
	if name := p.Layout.Rates[revenue.Exposures]; p.Layout.Horizon(name) != time.Second || p.Layout.Horizon("outcome:revenue") != time.Second {
		t.Errorf("revenue is counted over %s of the age %v", name, p.Layout.Horizon(name))
	}
	if s := p.Layout.Values[revenue.Series]; s.Name != "outcome:revenue" || s.Cap != 200 || s.Covariate {
		t.Errorf("revenue is the series %+v", s)
	}
	if s := p.Layout.Values[spend.Series]; !spend.Covariate || spend.Worse != stats.Up || !s.Covariate || s.Cap != 0 {
		t.Errorf("spend: %+v of %+v", spend, s)
	}
}
