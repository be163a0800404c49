package rule

// Argo is a canary of Argo Rollouts with a background analysis: the steps go on
// by time alone, and the analysis run aborts them. A measurement is taken each
// minute, the first after a minute (`initialDelay`), because at the start there
// is nothing to measure. A window without a candidate request is an error; the
// ten-second retries of errors are counted once a minute, which is kind: only
// five empty minutes in a row end the run.
type Argo struct {
	steps   ladder
	queries *queries
	limits  argoLimits
	runs    [Metrics]argoMetric
}

// NewArgo returns a canary whose metrics tolerate failureLimit failed
// measurements, with limits that are absolute or relative to the baseline in the
// same window.
func NewArgo(c Config, failureLimit int, relative bool) *Argo {
	return &Argo{steps: common, queries: newQueries(c, relative), limits: argoLimits{failure: failureLimit, consecutiveError: 4}}
}

// Start is the weight of the first step.
func (a *Argo) Start() float64 { return a.steps.weights[0] }

// Look measures every metric. A run that has failed or that cannot be measured
// aborts; an inconclusive one would pause for a person, but conditions that say
// both when to succeed and when to fail never are.
func (a *Argo) Look(w *Window) Act {
	a.queries.see(w)
	for _, m := range a.queries.Judged {
		run := &a.runs[m]
		run.add(a.queries.measure(w, m))
		switch run.assess(a.limits) {
		case argoFailed, argoError:
			return rolledBack(m)
		case argoRunning, argoSuccessful, argoInconclusive:
		}
	}
	return a.steps.next(w.Minute)
}

// argoLimits are the limits of a metric, with the names of the specification of
// an AnalysisTemplate. Zeros are the defaults.
type argoLimits struct {
	failure            int
	inconclusive       int
	consecutiveError   int // 4 by default
	consecutiveSuccess int
	count              int
}

// argoStatus is the status of a metric within a run.
type argoStatus int

const (
	argoRunning argoStatus = iota
	argoSuccessful
	argoFailed
	argoInconclusive
	argoError
)

// argoMetric are the counters of one metric within a run.
type argoMetric struct {
	count, successful, failed, inconclusive int
	consecutiveSuccess, consecutiveError    int
}

// add counts a measurement. An error adds to no count but its own.
func (a *argoMetric) add(p phase) {
	if p == errored {
		a.consecutiveError++
		a.consecutiveSuccess = 0
		return
	}
	a.consecutiveError = 0
	a.count++
	switch p {
	case successful:
		a.successful++
		a.consecutiveSuccess++
		return
	case failed:
		a.failed++
	case inconclusive:
		a.inconclusive++
	case errored:
	}
	a.consecutiveSuccess = 0
}

// assess reads the counters. Of the limits that are exceeded the last in this
// order says what the metric is.
func (a *argoMetric) assess(l argoLimits) argoStatus {
	status := argoRunning
	if l.failure >= 0 && a.failed > l.failure {
		status = argoFailed
	}
	if l.inconclusive >= 0 && a.inconclusive > l.inconclusive {
		status = argoInconclusive
	}
	if a.consecutiveError > l.consecutiveError {
		status = argoError
	}
	switch {
	case status != argoRunning:
		return status
	case l.consecutiveSuccess > 0 && a.consecutiveSuccess >= l.consecutiveSuccess:
		return argoSuccessful
	case l.count == 0 || a.count < l.count:
		return argoRunning
	case l.consecutiveSuccess == 0:
		return argoSuccessful
	case l.failure >= 0:
		return argoInconclusive
	}
	return argoFailed
}
