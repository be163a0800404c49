package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

func address(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		_, port, err := net.SplitHostPort(v)
		if err != nil {
			return fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:7070 or :8080", v)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("port %q is no number from 0 to 65535", port)
		}
		*field(s) = v
		return nil
	}
}

// loopback reports whether only this machine reaches an address. A name other
// than localhost may lead anywhere, so it does not count.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// together checks what concerns more than one setting.
func (s Settings) together() []error {
	var bad []error
	if !loopback(s.Admin) && !s.InsecureAdmin {
		bad = append(bad, fmt.Errorf("admin: %s can be reached from other machines, and the API knows no log-in: "+
			"whoever reaches it can move traffic; listen on 127.0.0.1, or set --insecure-admin if a proxy in front of it checks who asks", s.Admin))
	}
	if _, port, _ := net.SplitHostPort(s.Admin); s.Admin == s.Listen && port != "0" {
		bad = append(bad, fmt.Errorf("admin: %s is also the address of the traffic, which answers nothing but traffic; choose another port", s.Admin))
	}
	return bad
}
