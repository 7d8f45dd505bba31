package push

import (
	"errors"
	"net/netip"
	"syscall"
)

var errInside = errors.New("its address is private; EVENT_ALLOW_PRIVATE allows that")

// refuseInside is called with the address that is about to be dialled, after every look-up.
func refuseInside(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return errInside
	}
	return nil
}

// inside are the networks that IANA's registries of special-purpose addresses list as not globally
// reachable, multicast, and those that carry another address in theirs. Of IPv6 everything outside
// 2000::/3 is refused besides.
var inside = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure's own services, beside 169.254.169.254
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

var (
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // the public address is in the last four bytes
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// public reports whether the address is one of the internet's.
func public(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		bytes := addr.As16()
		addr = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, network := range inside {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}
