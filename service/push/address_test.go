package push_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kasse/service/push"
)

// TestAddressesInside: public rejects every private or reserved address, in any notation, and accepts their neighbours.
func TestAddressesInside(t *testing.T) {
	for text := range strings.FieldsSeq(`
		0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.169.254
		169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
		198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
		100.100.100.200
		:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1
		64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::1 3fff::1 fc00::1
		fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1 5f00::1`) {
		if push.Public(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as public", text)
		}
	}
	for text := range strings.FieldsSeq(`
		1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1 169.253.0.1
		172.15.0.1 172.32.0.1 192.0.1.1 192.167.0.1 198.17.0.1 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8
		64:ff9b::808:808 2606:4700:4700::1111 2a00:1450::1 2620:fe::fe`) {
		if !push.Public(netip.MustParseAddr(text)) {
			t.Errorf("%s does not count as public", text)
		}
	}
}

// TestInsideIsRefusedAtTheConnection: for any host name, the resolved address is checked when it is dialled.
func TestInsideIsRefusedAtTheConnection(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1.2.3"} {
		e, err := push.New(push.Options{
			URL: secretText("https://" + host + port + "/hunter2"), Secrets: []push.Secret{current}, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		_, err = e.Push(t.Context(), event)
		if err == nil || !strings.Contains(err.Error(), "EVENT_ALLOW_PRIVATE") {
			t.Errorf("%s: got error %v", host, err)
		}
	}
	if len(r.requests) > 0 {
		t.Error("a private address got a request")
	}
}

// TestInvalidEndpoints: New refuses invalid URLs, invalid secrets, and an endpoint without a secret. Its error does not
// contain the secret.
func TestInvalidEndpoints(t *testing.T) {
	for _, url := range []string{
		"", "shop.example", "https://", "https:///x", "https:opaque", "https://a.example/#f", "ftp://a.example",
		"file:///etc/passwd", "http://a.example",
	} {
		o := push.Options{URL: secretText(url), Secrets: []push.Secret{current}, Now: time.Now}
		if _, err := push.New(o); err == nil {
			t.Errorf("the URL %q is accepted", url)
		}
	}
	for _, secret := range []secretText{"", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", current[6:]} {
		secrets := []push.Secret{current, secret}
		o := push.Options{URL: secretText("https://a.example"), Secrets: secrets, Now: time.Now}
		if _, err := push.New(o); err == nil || strings.Contains(err.Error(), "!!!") {
			t.Errorf("an invalid secret: got %v", err)
		}
	}
	if _, err := push.New(push.Options{URL: secretText("https://a.example"), Now: time.Now}); err == nil {
		t.Error("an endpoint without a secret is accepted")
	}
}
