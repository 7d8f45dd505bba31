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
}

// RefuseInside has an endpoint refuse private addresses, as without AllowPrivate.
func RefuseInside(e *Endpoint) { e.client = newClient(false) }
