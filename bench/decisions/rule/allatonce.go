package rule

// AllAtOnce gives the candidate all of the traffic at once and looks at nothing.
type AllAtOnce struct{}

// Start is all of the traffic.
func (AllAtOnce) Start() float64 { return 1 }

// Look goes on.
func (AllAtOnce) Look(*Window) Act { return promoted() }
