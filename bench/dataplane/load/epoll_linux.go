package load

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Quiet makes this process one thread that nothing interrupts: no collection,
// and timers that are right to the microsecond. It is never undone, so that it
// is only for a process that does nothing but an Open or Streams.
func Quiet() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("ask for exact timers: %w", err)
	}
	return nil
}

// poll is an epoll instance.
type poll struct {
	fd     int
	events []unix.EpollEvent
}

func newPoll() (*poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poll{fd: fd, events: make([]unix.EpollEvent, 512)}, nil
}

func (p *poll) close() { _ = unix.Close(p.fd) }

// add watches a file. Its events bring id.
func (p *poll) add(fd int, id int32) error {
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: id}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// wait waits for events for some time, exact to the nanosecond, which epoll_wait
// and the timers of Go are not.
func (p *poll) wait(d time.Duration) ([]unix.EpollEvent, error) {
	timeout := unix.NsecToTimespec(max(d.Nanoseconds(), 0))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	switch {
	case errno == 0:
		return p.events[:n], nil
	case errors.Is(errno, unix.EINTR):
		return nil, nil
	}
	return nil, fmt.Errorf("epoll_pwait2, which Linux has since 5.11: %w", errno)
}

// dial opens a connection that does not block and sends at once.
func dial(addr netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open a socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return fd, atOnce(fd)
}

// atOnce makes a socket one that neither blocks nor waits for more to send.
func atOnce(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("set up a socket: %w", err)
	}
	return unix.SetNonblock(fd, true)
}

// later reports whether a call would have had to wait.
func later(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

// address reads host:port of IPv4.
func address(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil || !addr.Addr().Is4() {
		return addr, fmt.Errorf("%q is no IPv4 address and port", text)
	}
	return addr, nil
}
