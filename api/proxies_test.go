package api

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	known := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:a::/48")}
	const proxy, other = "10.0.0.1:4711", "192.0.2.9:4711"
	tests := map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                    {other, nil, "192.0.2.9"},
		"direct, with a claim":      {other, []string{"198.51.100.1"}, "192.0.2.9"},
		"proxied":                   {proxy, []string{"198.51.100.1"}, "198.51.100.1"},
		"proxied, with a claim":     {proxy, []string{"203.0.113.1, 198.51.100.1"}, "198.51.100.1"},
		"claims to be a proxy":      {proxy, []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		"through two":               {proxy, []string{"203.0.113.1,198.51.100.1 ,10.2.3.4"}, "198.51.100.1"},
		"on two lines":              {proxy, []string{"203.0.113.1", "198.51.100.1", "10.2.3.4"}, "198.51.100.1"},
		"only proxies":              {proxy, []string{"10.2.3.4, 10.5.6.7"}, "10.2.3.4"},
		"the proxy says nothing":    {proxy, nil, "10.0.0.1"},
		"an empty line":             {proxy, []string{""}, "10.0.0.1"},
		"nonsense":                  {proxy, []string{"unknown"}, "10.0.0.1"},
		"nonsense before a hop":     {proxy, []string{"198.51.100.1, unknown, 10.2.3.4"}, "10.2.3.4"},
		"an empty hop":              {proxy, []string{"198.51.100.1,"}, "10.0.0.1"},
		"with a port":               {proxy, []string{"198.51.100.1:80"}, "198.51.100.1"},
		"IPv6":                      {proxy, []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		"its neighbour":             {proxy, []string{"2001:db8:1:2:ffff::1"}, "2001:db8:1:2::/64"},
		"another network":           {proxy, []string{"2001:db8:1:3:3:4:5:6"}, "2001:db8:1:3::/64"},
		"in brackets":               {proxy, []string{"[2001:db8:1:2::1]"}, "2001:db8:1:2::/64"},
		"in brackets with a port":   {proxy, []string{"[2001:db8:1:2::1]:443"}, "2001:db8:1:2::/64"},
		"with a zone":               {proxy, []string{"fe80::1%eth0"}, "fe80::/64"},
		"IPv4 written as IPv6":      {proxy, []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"a proxy written as IPv6":   {"[::ffff:10.0.0.1]:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		"a proxy with IPv6":         {"[2001:db8:a::1]:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		"another address with IPv6": {"[2001:db8:b::1]:4711", []string{"198.51.100.1"}, "2001:db8:b::/64"},
		"a number that is none":     {proxy, []string{"198.51.100.256"}, "10.0.0.1"},
		"zeros that may be octal":   {proxy, []string{"198.051.100.1"}, "10.0.0.1"},
		"a peer without an address": {"@", []string{"198.51.100.1"}, "invalid IP"},
	}
	for name, test := range tests {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := known.client(r); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if got, want := proxies(nil).client(r), (&http.Request{RemoteAddr: test.peer}); got != known[:0].client(want) {
			t.Errorf("%s: no proxy is trusted, and it is %s", name, got)
		}
	}
}
