package app

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/api"
)

// mistaken reports whether the mistakes name the variable. It fails the test if they contain the value.
func (m mistakes) mistaken(t *testing.T, variable, value string) bool {
	t.Helper()
	for _, mistake := range m {
		if !strings.HasPrefix(mistake.Error(), variable+" ") {
			t.Errorf("%q: %v does not name %s", value, mistake, variable)
		}
		if len(value) > 8 && strings.Contains(mistake.Error(), value) {
			t.Errorf("the value is shown: %v", mistake)
		}
	}
	return len(m) > 0
}

func TestRates(t *testing.T) {
	good := map[string]api.Limit{
		"10/s": {Count: 10, Per: time.Second}, " 1/m ": {Count: 1, Per: time.Minute}, "999999/h": {
			Count: 999999, Per: time.Hour,
		}, "off": {},
	}
	for value, want := range good {
		var m mistakes
		if got := m.rate("RATE_LIMIT_SERVICE", value); got != want || len(m) > 0 {
			t.Errorf("%q is %+v, %v", value, got, m)
		}
	}
	for _, value := range []string{
		"", "0/s", "-1/s", "+1/s", "010/s", "1000000/s", "1.5/s", "10", "10/", "/s", "10/S", "10/d", "10/sec",
		"10 / s", "10/s,5/m", "OFF", "none", "٣/s",
	} {
		var m mistakes
		if got := m.rate("RATE_LIMIT_SERVICE", value); !m.mistaken(t, "RATE_LIMIT_SERVICE", value) ||
			got != (api.Limit{}) {
			t.Errorf("%q is taken for %+v", value, got)
		}
	}
}

func TestProxies(t *testing.T) {
	var m mistakes
	got := m.proxies(" 10.0.0.0/8, 192.168.1.1/32 ,fd00::/8")
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32"),
		netip.MustParsePrefix("fd00::/8"),
	}
	if !slices.Equal(got, want) || len(m) > 0 || m.proxies("") != nil || m.proxies(" ") != nil || len(m) > 0 {
		t.Errorf("got %v, %v", got, m)
	}
	for _, value := range []string{
		"10.0.0.1", "0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0", "10.0.0.0/33", "10.0.0.0/8,", ",", "*", "all",
		"::ffff:10.0.0.0/104", "10.0.0.0/8 10.1.0.0/16", "fe80::1%eth0/64", "proxy.example/32",
	} {
		var m mistakes
		if got := m.proxies(value); !m.mistaken(t, "TRUSTED_PROXIES", value) || got != nil {
			t.Errorf("%q is taken for %v", value, got)
		}
	}
}

func TestOrigins(t *testing.T) {
	var m mistakes
	const list = "https://shop.example, http://localhost:5173,https://shop.example,capacitor://localhost,https://xn--shp-rna.example:8443,http://[::1]:3000,https://10.0.0.1"
	want := []string{
		"https://shop.example", "http://localhost:5173", "capacitor://localhost",
		"https://xn--shp-rna.example:8443", "http://[::1]:3000", "https://10.0.0.1",
	}
	if got := m.origins(list); !slices.Equal(got, want) || len(m) > 0 || m.origins("") != nil || len(m) > 0 {
		t.Errorf("got %v, %v", got, m)
	}
	for _, value := range []string{
		"*", "https://*", "https://*.shop.example", "https://shop.*", "https://shop.example,*", "https://sh*p.example",
		"http://*:*", "**", "%2A",
		"null", "shop.example", "//shop.example", "https://", "https://shop.example/", "https://shop.example/pay",
		"https://shop.example?x", "https://shop.example#x",
		"https://user@shop.example", "https://Shop.example", "HTTPS://shop.example", "https://shop.example:443",
		"http://shop.example:80", "https://shop.example:",
		"https://shop.example:0", "https://shop.example:080", "https://shop.example:123456", "https://shop.example.",
		"https://.shop.example", "https://shop..example",
		"https://shöp.example", "https://shop.example https://other.example", "https://shop.example,", ",",
		"https://shop.example\n.evil.example", "file://", "https://[::1", ".*",
	} {
		var m mistakes
		if got := m.origins(value); !m.mistaken(t, "CORS_ALLOWED_ORIGINS", value) || got != nil {
			t.Errorf("%q is taken for %q", value, got)
		}
	}
}
