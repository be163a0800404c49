package rule

// Kind is a rule that can be run.
type Kind struct {
	// Name is short and stable; About says in a sentence what is run.
	Name, About string
	// Slices is true when the rule compares with a part of the baseline.
	Slices bool
	New    func(Config) Rule
}

// AllAtOnceName is the name of the rule that all others are measured against.
const AllAtOnceName = "all at once"

// Kinds are the rules of other tools, in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{
		{Name: "Argo Rollouts, absolute, failureLimit 0", About: "background analysis each minute against absolute limits, the default failure limit", New: argo(0, false)},
		{Name: "Argo Rollouts, absolute, failureLimit 3", About: "the same with the failure limit of its documentation", New: argo(3, false)},
		{Name: "Argo Rollouts, relative, failureLimit 3", About: "the same against the baseline in the same window, at Belay's margins", New: argo(3, true)},
		{Name: "Flagger, absolute, threshold 5", About: "5 % more each minute up to 50 %, absolute limits", New: flagger(5, false)},
		{Name: "Flagger, absolute, threshold 10", About: "the same with the threshold of its documentation", New: flagger(10, false)},
		{Name: "Flagger, relative, threshold 10", About: "the same against the baseline in the same window, at Belay's margins", New: flagger(10, true)},
		{Name: "Kayenta", About: "Mann-Whitney on one point a minute, twice a step, pass 95, marginal 75", New: func(c Config) Rule { return NewKayenta(c) }},
		{Name: "GrowthBook Safe Rollout", About: "one-sided sequential intervals, margin 0, a control of equal size, at most a day", Slices: true, New: func(c Config) Rule { return NewSafeRollout(c) }},
		{Name: "GrowthBook ramp schedule", About: "the same test at the end of each step of 1, 5, 10, 25, 50 %, a day in all", Slices: true, New: func(c Config) Rule { return NewRampSchedule(c) }},
		{Name: "LaunchDarkly", About: "sequential intervals, margin 0, 1 % for an hour, 10 and 50 % for a day each", New: func(c Config) Rule { return NewLaunchDarkly(c) }},
		{Name: "repeated z-test", About: "5 % one-sided at Belay's margins, each minute, on Belay's ladder", New: func(c Config) Rule { return NewZTest(c) }},
		{Name: AllAtOnceName, About: "everything at once, for 24 h", New: func(Config) Rule { return AllAtOnce{} }},
	}
}

func argo(failureLimit int, relative bool) func(Config) Rule {
	return func(c Config) Rule { return NewArgo(c, failureLimit, relative) }
}

func flagger(threshold int, relative bool) func(Config) Rule {
	return func(c Config) Rule { return NewFlagger(c, threshold, relative) }
}
