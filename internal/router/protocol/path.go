package protocol

import "math/bits"

// path is where in an answer a Reader is, as far as pointers go there. Outputs are
// bits of masks.
type path struct {
	// ways has, by output, how many steps of its pointer lead to the innermost list
	// or object on its way.
	ways []int
	// index is the place in the list at each depth.
	index [maxSteps + 1]int
	// of the value at hand: the outputs that it is, and those that it leads to.
	hits, leads uint64
	// reading are the outputs of which a list is being read.
	reading uint64
}

func (p *path) reset() { *p = path{ways: p.ways} }

// each calls yield for each output of a mask.
func each(mask uint64, yield func(i int)) {
	for ; mask != 0; mask &= mask - 1 {
		yield(bits.TrailingZeros64(mask))
	}
}

// goes reports whether an output's pointer leads to what is at the present depth
// and has a step to make there.
func (p *path) goes(r *Reader, i int) bool {
	return r.of.list[i].steps != nil && !r.found[i].done && p.ways[i] == r.lex.depth-1
}

// asks begins a key, and reports whether it may be a step.
func (p *path) asks(r *Reader) bool {
	p.hits, p.leads = 0, 0
	for i := range p.ways {
		if p.goes(r, i) {
			return true
		}
	}
	return false
}

// key finds the outputs that the next value is or leads to.
func (p *path) key(r *Reader, text []byte) {
	for i := range p.ways {
		if p.goes(r, i) && string(text) == r.of.list[i].steps[p.ways[i]].key {
			p.step(r, i)
		}
	}
}

// step makes a step of an output.
func (p *path) step(r *Reader, i int) {
	if p.ways[i]+1 == len(r.of.list[i].steps) {
		p.hits |= 1 << i
		return
	}
	p.leads |= 1 << i
}

// value begins a value: in a list it is a step to its place.
func (p *path) value(r *Reader) {
	depth := r.lex.depth
	if depth == 0 || depth >= len(p.index) || !r.lex.inArray() {
		return
	}
	p.hits, p.leads = 0, 0
	at := p.index[depth]
	p.index[depth]++
	for i := range p.ways {
		if p.goes(r, i) && at == r.of.list[i].steps[p.ways[i]].index {
			p.step(r, i)
		}
	}
}

// cares reports whether what is at the present depth may be on the way, or is
// being read.
func (p *path) cares(r *Reader) bool {
	for i := range p.ways {
		if p.goes(r, i) || r.found[i].reads() {
			return true
		}
	}
	return false
}

// scalar reads the value at hand.
func (p *path) scalar(r *Reader, kind token, text []byte) {
	hits := p.hits
	each(hits|p.reading, func(i int) {
		c, w := &r.found[i], &r.of.list[i]
		if hits&(1<<i) == 0 && !c.reads() {
			return
		}
		c.add(r.reading(kind, text, w.first, w.end))
		if hits&(1<<i) != 0 {
			c.done = true
		}
		p.settle(r, i)
	})
}

// settle notes what has become of an output.
func (p *path) settle(r *Reader, i int) {
	switch c := &r.found[i]; {
	case c.done:
		p.reading &^= 1 << i
		r.done()
	case c.array > 0:
		p.reading |= 1 << i
	}
}

// open goes into a list or an object.
func (p *path) open(r *Reader, c byte) {
	depth := r.lex.depth
	if depth < len(p.index) {
		p.index[depth] = 0
	}
	hits, leads, reading := p.hits, p.leads, p.reading
	p.hits, p.leads = 0, 0
	each(leads, func(i int) { p.ways[i] = depth - 1 })
	each(reading, func(i int) {
		r.found[i].within(c, depth)
		p.settle(r, i)
	})
	each(hits, func(i int) {
		r.found[i].begin(c, depth)
		p.settle(r, i)
	})
	if depth == 1 {
		clear(p.ways)
	}
}

// close leaves a list or an object.
func (p *path) close(r *Reader) {
	depth := r.lex.depth
	each(p.reading, func(i int) {
		r.found[i].ends(depth)
		p.settle(r, i)
	})
	for i := range p.ways {
		if p.ways[i] == depth-1 && depth > 1 {
			p.ways[i]--
		}
	}
}
