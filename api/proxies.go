package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// proxies are the addresses whose X-Forwarded-… is believed.
type proxies []netip.Prefix

// client returns the request's client address: the peer, or, if that is a trusted proxy, the rightmost
// address of X-Forwarded-For that is not one. Addresses left of it can be forged. An IPv6 /64 counts as one
// address, since it is the least that a customer gets.
func (p proxies) client(r *http.Request) string {
	address := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
	for _, text := range slices.Backward(hops) {
		hop, ok := parseHop(text)
		if !p.trusts(address) || !ok {
			break
		}
		address = hop
	}
	if prefix, err := address.Prefix(64); err == nil && address.Is6() {
		return prefix.String()
	}
	return address.String()
}

func (p proxies) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(known netip.Prefix) bool { return known.Contains(address) })
}

// peer returns the address of the connection's other end.
func peer(r *http.Request) netip.Addr {
	address, _ := parseHop(r.RemoteAddr)
	return address
}

// parseHop reads an address as proxies write it, some with the port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		var both netip.AddrPort
		both, err = netip.ParseAddrPort(text)
		address = both.Addr()
	}
	return address.Unmap().WithZone(""), err == nil
}

// strictTransport is a year, in seconds; Kasse does not know whether subdomains have TLS.
const strictTransport = "max-age=31536000"

// overTLS has browsers use TLS only, where this request did.
func (p proxies) overTLS(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		forwarded := strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https") && p.trusts(peer(r))
		if r.TLS != nil || forwarded {
			c.Response().Header().Set(echo.HeaderStrictTransportSecurity, strictTransport)
		}
		return next(c)
	}
}
