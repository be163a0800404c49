package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/belay-rollouts/belay/internal/problem"
)

// listen takes an address. The error says which address, what for and what to
// do about it.
func listen(ctx context.Context, what, flag, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, problem.New(problem.Conflict, "the address %s for the %s is in use: stop the program that has it, or choose another with %s", addr, what, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, problem.New(problem.Refused, "the address %s for the %s may not be used by this user: choose a port above 1023 with %s", addr, what, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, problem.New(problem.Invalid, "the address %s for the %s does not belong to this machine: choose another with %s", addr, what, flag)
	}
	return nil, problem.New(problem.Invalid, "the address %s for the %s cannot be used: %w; choose another with %s", addr, what, err, flag)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// reachable is an address that a client of this machine can dial: a wildcard
// becomes loopback.
func reachable(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsUnspecified() {
		return addr
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}
