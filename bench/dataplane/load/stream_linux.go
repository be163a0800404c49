package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Streams says how many streams there are.
type Streams struct {
	Streams int
	Rate    float64       // events a second, of each stream
	Warm    time.Duration // before it counts
	For     time.Duration // for which it counts
}

// Bounds of a measurement of streams.
const (
	openGap  = 2 * time.Millisecond // between two streams that are opened
	openWait = 15 * time.Second     // until all of them are open
	burst    = 4                    // events that are written before anything is read
)

// file is a socket of the loop, by its number.
type file struct {
	kind   kind
	arm    int // of an upstream
	buf    []byte
	active bool // an upstream that streams, a caller whose answer has begun
	marks  marks
	last   time.Duration // arrival of the last event
}

type kind uint8

const (
	listener kind = iota + 1
	upstream
	client
	orders
)

// maxFiles bounds the numbers of sockets.
const maxFiles = 20_000

// Streamer is both ends of the streams: it serves two upstreams, which answer a
// POST with a stream and anything else with {}, and it calls a proxy.
type Streamer struct {
	Streams
	out       Streamed
	poll      *poll
	began     time.Time
	files     []file
	upstreams []int // that stream, in the order in which they began
	addr      netip.AddrPort
	called    int
	nextCall  time.Duration
	start     time.Duration // of the events; 0 before all streams are open
	nextEvent time.Duration
	event     []byte
	read      []byte
	delays    []int64
	gaps      []int64
}

// NewStreamer begins to serve on two addresses of loopback: that of the baseline
// and that of the candidate.
func NewStreamer(s Streams) (*Streamer, [2]string, error) {
	var addrs [2]string
	if s.Streams < 1 || s.Rate <= 0 || s.For <= 0 {
		return nil, addrs, fmt.Errorf("nothing to send: %d streams of %v events a second for %v", s.Streams, s.Rate, s.For)
	}
	room := int(1.2*s.Rate*s.For.Seconds()*float64(s.Streams)) + 1000
	l := &Streamer{
		Streams: s, files: make([]file, maxFiles), read: make([]byte, 64<<10), event: make([]byte, 0, 1<<10),
		delays: make([]int64, 0, room), gaps: make([]int64, 0, room), began: time.Now(),
	}
	var err error
	if l.poll, err = newPoll(); err != nil {
		return nil, addrs, err
	}
	for arm := range addrs {
		if addrs[arm], err = l.listen(arm); err != nil {
			l.Close()
			return nil, addrs, err
		}
	}
	return l, addrs, nil
}

// Close closes all sockets.
func (l *Streamer) Close() {
	for fd := range l.files {
		if k := l.files[fd].kind; k != 0 && k != orders {
			_ = unix.Close(fd)
		}
	}
	l.poll.close()
}

func (l *Streamer) listen(arm int) (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if err := l.own(fd, file{kind: listener, arm: arm}); err != nil {
		return "", err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	at, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return "", fmt.Errorf("listen: an address of %T", name)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String(), nil
}

// own takes a socket over.
func (l *Streamer) own(fd int, f file) error {
	if fd >= len(l.files) {
		_ = unix.Close(fd)
		return fmt.Errorf("more than %d sockets", len(l.files))
	}
	f.marks.digits = -1
	l.files[fd] = f
	return l.poll.add(fd, int32(fd))
}

// Await serves the upstreams until a line can be read from a file, which is the
// address of the proxy.
func (l *Streamer) Await(fd int) (string, error) {
	if err := l.own(fd, file{kind: orders}); err != nil {
		return "", err
	}
	for {
		events, err := l.poll.wait(time.Second)
		if err != nil {
			return "", err
		}
		for _, e := range events {
			f := &l.files[e.Fd]
			if f.kind != orders {
				if err := l.handle(int(e.Fd)); err != nil {
					return "", err
				}
				continue
			}
			n, err := unix.Read(fd, l.read)
			if n <= 0 {
				return "", fmt.Errorf("no address to call: %w", errors.Join(err, errClosed))
			}
			f.buf = append(f.buf, l.read[:n]...)
			if line, _, found := bytes.Cut(f.buf, []byte("\n")); found {
				_ = unix.EpollCtl(l.poll.fd, unix.EPOLL_CTL_DEL, fd, nil)
				return string(line), nil
			}
		}
	}
}

var (
	errClosed = errors.New("closed")
	errShort  = errors.New("the rest would have to wait")
)

// Run calls the proxy at addr and measures.
func (l *Streamer) Run(addr string) (Streamed, error) {
	var err error
	if l.addr, err = address(addr); err != nil {
		return Streamed{}, err
	}
	l.began = time.Now()
	for {
		now := time.Since(l.began)
		if l.start > 0 && now > l.start+l.Warm+l.For {
			break
		}
		if err := l.open(now); err != nil {
			return Streamed{}, err
		}
		if err := l.write(now); err != nil {
			return Streamed{}, err
		}
		events, err := l.poll.wait(l.pause())
		if err != nil {
			return Streamed{}, err
		}
		for _, e := range events {
			if err := l.handle(int(e.Fd)); err != nil {
				return Streamed{}, err
			}
		}
	}
	for _, fd := range l.upstreams {
		l.out.Candidate += l.files[fd].arm
	}
	l.out.Delay, l.out.Gap = Summarise(l.delays), Summarise(l.gaps)
	return l.out, nil
}

// pause is how long nothing is to be written.
func (l *Streamer) pause() time.Duration {
	if l.start == 0 {
		return time.Millisecond
	}
	return l.nextEvent - time.Since(l.began)
}

// open opens one stream after the other, and begins when all of them are.
func (l *Streamer) open(now time.Duration) error {
	switch {
	case l.start > 0:
		return nil
	case len(l.upstreams) == l.Streams.Streams:
		l.start, l.nextEvent = now, now
		return nil
	case now > openWait:
		return fmt.Errorf("of %d streams %d began within %v", l.Streams.Streams, len(l.upstreams), openWait)
	case l.called == l.Streams.Streams || now < l.nextCall:
		return nil
	}
	fd, err := dial(l.addr)
	if err != nil {
		return err
	}
	if err := l.own(fd, file{kind: client}); err != nil {
		return err
	}
	if _, err := unix.Write(fd, StreamRequest(User(l.called))); err != nil {
		return fmt.Errorf("ask for a stream: %w", err)
	}
	l.called, l.nextCall = l.called+1, now+openGap
	return nil
}

// write writes the events that are due, to the streams in turn.
func (l *Streamer) write(now time.Duration) error {
	if l.start == 0 {
		return nil
	}
	gap := time.Duration(float64(time.Second) / (l.Rate * float64(l.Streams.Streams)))
	for range burst {
		if l.nextEvent > now {
			return nil
		}
		fd := l.upstreams[l.out.Sent%len(l.upstreams)]
		l.event = appendEvent(l.event[:0], int64(time.Since(l.began)))
		if n, err := unix.Write(fd, l.event); n < len(l.event) {
			return fmt.Errorf("the proxy takes no more events: %w", errors.Join(err, errShort))
		}
		l.out.Sent++
		l.nextEvent += gap
	}
	return nil
}

// handle does what a socket is ready for.
func (l *Streamer) handle(fd int) error {
	switch l.files[fd].kind {
	case listener:
		return l.accept(fd)
	case upstream:
		return l.serve(fd)
	case client:
		return l.receive(fd)
	case orders:
	}
	return nil
}

func (l *Streamer) accept(fd int) error {
	for {
		conn, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			if later(err) || errors.Is(err, unix.ECONNABORTED) {
				return nil
			}
			return fmt.Errorf("accept: %w", err)
		}
		if err := atOnce(conn); err != nil {
			return err
		}
		if err := l.own(conn, file{kind: upstream, arm: l.files[fd].arm}); err != nil {
			return err
		}
	}
}

// drop closes a socket.
func (l *Streamer) drop(fd int) {
	l.files[fd] = file{}
	_ = unix.Close(fd)
}

const (
	streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	plainReply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)

// serve is an upstream.
func (l *Streamer) serve(fd int) error {
	f := &l.files[fd]
	n, err := unix.Read(fd, l.read)
	switch {
	case n <= 0 && later(err):
		return nil
	case n <= 0 && f.active:
		return errors.New("the proxy closed a stream that it reads from")
	case n <= 0:
		l.drop(fd)
		return nil
	case f.active:
		return nil
	}
	f.buf = append(f.buf, l.read[:n]...)
	stream, whole := request(f.buf)
	if !whole {
		return nil
	}
	f.buf = f.buf[:0]
	reply := plainReply
	if stream {
		reply, f.active = streamHead, true
		l.upstreams = append(l.upstreams, fd)
	}
	if _, err := unix.Write(fd, []byte(reply)); err != nil {
		return fmt.Errorf("answer the proxy: %w", err)
	}
	return nil
}

// receive is a caller.
func (l *Streamer) receive(fd int) error {
	f := &l.files[fd]
	n, err := unix.Read(fd, l.read)
	if n <= 0 {
		if later(err) {
			return nil
		}
		return fmt.Errorf("the proxy closed the stream of a caller: %w", errors.Join(err, errClosed))
	}
	now := time.Since(l.began)
	text := l.read[:n]
	if !f.active {
		if !bytes.HasPrefix(text, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("the proxy answers a caller %.200q", text)
		}
		f.active = true
	}
	counts := l.start + l.Warm
	f.marks.read(text, func(at int64) {
		l.out.Received++
		if sent := time.Duration(at); l.start > 0 && sent >= counts {
			l.delays = append(l.delays, int64(now-sent))
			if f.last > 0 {
				l.gaps = append(l.gaps, int64(now-f.last))
			}
		}
		f.last = now
	})
	return nil
}
