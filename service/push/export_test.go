package push

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// Public is for the table of addresses.
var Public = public

// Trust lets an endpoint accept certificates that these have signed.
func Trust(e *Endpoint, roots *x509.CertPool) {
	e.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	e.direct.tls.RootCAs = roots
}

// Direct reports whether deliveries go over connections of the endpoint's own.
func Direct(e *Endpoint) bool { return e.http1.Load() }

// Idle returns how many connections wait for another delivery.
func Idle(e *Endpoint) int {
	e.direct.mu.Lock()
	defer e.direct.mu.Unlock()
	return len(e.direct.idle)
}

// RefuseInside has an endpoint refuse private addresses, as without AllowPrivate.
func RefuseInside(e *Endpoint) { e.direct.dialer.Control = refuseInside }
