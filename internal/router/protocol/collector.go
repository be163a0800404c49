package protocol

import "github.com/belay-rollouts/belay/internal/core/evidence"

// collector holds what was read of one output.
type collector struct {
	readings []evidence.Reading
	// array is the depth of the list that is being read, and object that of an
	// object within it, whose values are none of the output's; 0 for none.
	array, object int
	done          bool
}

func newCollector() collector {
	return collector{readings: make([]evidence.Reading, 0, evidence.MaxReadings)}
}

func (c *collector) reset() { *c = collector{readings: c.readings[:0]} }

// reads reports whether the next value is one of the output's.
func (c *collector) reads() bool { return c.array > 0 && c.object == 0 }

// begin reads the value at hand, which is the output or begins it. A list or an
// object will be at a depth.
func (c *collector) begin(opens byte, depth int) {
	switch opens {
	case '[':
		c.array = depth
	case '{':
		c.add(evidence.Reading{})
		c.done = true
	}
}

// within notes that a list or an object begins within the list that is read.
func (c *collector) within(opens byte, depth int) {
	if opens == '{' && c.reads() {
		c.object = depth
		c.add(evidence.Reading{})
	}
}

// ends notes that what is at a depth ends.
func (c *collector) ends(depth int) {
	switch depth {
	case c.object:
		c.object = 0
	case c.array:
		c.array, c.done = 0, true
	}
}

// add adds a reading. Enough is as good as the end of the list.
func (c *collector) add(r evidence.Reading) {
	c.readings = append(c.readings, r)
	if len(c.readings) == evidence.MaxReadings {
		c.array, c.object, c.done = 0, 0, true
	}
}
