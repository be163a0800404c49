package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Open says what is sent at random moments.
type Open struct {
	Addr  string
	Rate  float64       // requests a second
	Warm  time.Duration // before it counts
	For   time.Duration // for which it counts
	Conns int
	Seed  uint64
}

// maxBroken is how many connections may break.
const maxBroken = 100

// caller is a connection.
type caller struct {
	fd   int
	at   time.Duration // when its request was meant to be sent
	busy bool
	n    int
	buf  [8 << 10]byte
}

// opener is the loop of an Open.
type opener struct {
	Open
	out      Opened
	addr     netip.AddrPort
	poll     *poll
	began    time.Time
	arrivals *arrivals
	callers  []caller
	idle     []int32 // a queue, so that all of them stay in use
	requests [][]byte
	delays   []int64
	lags     []int64
}

// Run sends the requests.
func (o Open) Run() (Opened, error) {
	if o.Rate <= 0 || o.For <= 0 || o.Conns < 1 {
		return Opened{}, fmt.Errorf("nothing to send: %v requests a second for %v over %d connections", o.Rate, o.For, o.Conns)
	}
	l, err := newOpener(o)
	if err != nil {
		return Opened{}, err
	}
	defer l.close()
	l.began = time.Now()
	for end := o.Warm + o.For; ; {
		now := time.Since(l.began)
		if now > end {
			break
		}
		if err := l.send(now); err != nil {
			return Opened{}, err
		}
		if err := l.receive(); err != nil {
			return Opened{}, err
		}
	}
	l.unanswered()
	l.out.Delay, l.out.Lag = Summarise(l.delays), Summarise(l.lags)
	return l.out, nil
}

func newOpener(o Open) (*opener, error) {
	addr, err := address(o.Addr)
	if err != nil {
		return nil, err
	}
	room := int(1.5*o.Rate*o.For.Seconds()) + 1000
	l := &opener{
		Open: o, addr: addr, arrivals: newArrivals(o.Rate, o.Seed), callers: make([]caller, o.Conns),
		delays: make([]int64, 0, room), lags: make([]int64, 0, room),
	}
	for i := range Users {
		l.requests = append(l.requests, Request(User(i)))
	}
	if l.poll, err = newPoll(); err != nil {
		return nil, err
	}
	for i := range l.callers {
		if err := l.connect(int32(i)); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *opener) close() {
	for i := range l.callers {
		if l.callers[i].fd > 0 {
			_ = unix.Close(l.callers[i].fd)
		}
	}
	l.poll.close()
}

// connect opens the connection of a caller, who is idle then.
func (l *opener) connect(i int32) error {
	fd, err := dial(l.addr)
	if err != nil {
		return err
	}
	c := &l.callers[i]
	c.fd, c.n, c.busy = fd, 0, false
	l.idle = append(l.idle, i)
	return l.poll.add(fd, i)
}

// send sends what was meant to be sent by now, as long as a connection is idle.
// What must wait keeps its moment.
func (l *opener) send(now time.Duration) error {
	for l.arrivals.next() <= now && len(l.idle) > 0 {
		i := l.idle[0]
		l.idle = append(l.idle[:0], l.idle[1:]...)
		c := &l.callers[i]
		c.at, c.busy, c.n = l.arrivals.next(), true, 0
		l.arrivals.step()
		request := l.requests[l.arrivals.chance.IntN(len(l.requests))]
		if c.at >= l.Warm {
			l.lags = append(l.lags, int64(time.Since(l.began)-c.at))
		}
		l.out.Sent++
		if _, err := unix.Write(c.fd, request); err != nil {
			if err := l.broken(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// receive waits for answers until the next request is due.
func (l *opener) receive() error {
	wait := time.Millisecond // With no idle connection only an answer can change anything.
	if len(l.idle) > 0 {
		wait = l.arrivals.next() - time.Since(l.began)
	}
	events, err := l.poll.wait(min(wait, 100*time.Millisecond))
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := l.read(e.Fd); err != nil {
			return err
		}
	}
	return nil
}

// read reads what has arrived for a caller.
func (l *opener) read(i int32) error {
	c := &l.callers[i]
	n, err := unix.Read(c.fd, c.buf[c.n:])
	switch {
	case n <= 0 && later(err):
		return nil
	case n <= 0, !c.busy:
		return l.broken(i)
	}
	c.n += n
	a, whole := parse(c.buf[:c.n])
	if !whole {
		if c.n == len(c.buf) {
			return errors.New("an answer is larger than 8 KiB")
		}
		return nil
	}
	l.note(a, c.at)
	c.busy = false
	l.idle = append(l.idle, i)
	return nil
}

// note counts an answer.
func (l *opener) note(a answer, at time.Duration) {
	if at < l.Warm {
		return
	}
	l.delays = append(l.delays, int64(time.Since(l.began)-at))
	if !a.ok || !a.model {
		l.out.Failed++
	}
	if a.candidate {
		l.out.Candidate++
	}
}

// broken opens a connection anew.
func (l *opener) broken(i int32) error {
	c := &l.callers[i]
	if l.out.Broken++; l.out.Broken > maxBroken {
		return fmt.Errorf("more than %d connections were broken", maxBroken)
	}
	if c.busy {
		l.note(answer{}, c.at)
	}
	for at, idle := range l.idle {
		if idle == i {
			l.idle = append(l.idle[:at], l.idle[at+1:]...)
			break
		}
	}
	_ = unix.Close(c.fd)
	c.fd = 0
	return l.connect(i)
}

// unanswered counts what was sent, or should have been, long before the end and
// has no answer: its delay is at least what has passed. Without it a proxy that
// hangs would look fast.
func (l *opener) unanswered() {
	now := time.Since(l.began)
	for i := range l.callers {
		if c := &l.callers[i]; c.busy && c.at >= l.Warm && now-c.at > patience {
			l.note(answer{}, c.at)
		}
	}
	for l.arrivals.next() < now-patience {
		if l.arrivals.next() >= l.Warm {
			l.note(answer{}, l.arrivals.next())
		}
		l.arrivals.step()
	}
}

// patience is how long an answer may be under way at the end without being
// counted; it is left out because it was cut short, not because it was slow.
const patience = 100 * time.Millisecond
