package push

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// Public is public, for the table of addresses.
var Public = public

// Trust makes an endpoint accept certificates that the roots have signed.
func Trust(e *Endpoint, roots *x509.CertPool) {
	e.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
}

// RefusePrivate makes an endpoint refuse private addresses, as without AllowPrivate.
func RefusePrivate(e *Endpoint) { e.client = newClient(false) }
