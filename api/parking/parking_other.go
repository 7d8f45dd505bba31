//go:build !linux

package parking

import (
	"context"
	"net"
	"net/http"
)

// Parker parks nothing on this system.
type Parker struct{ Options }

// New returns a Parker.
func New(o Options) *Parker { return &Parker{o} }

// Listen returns the listener as it is.
func (p *Parker) Listen(inner net.Listener) (net.Listener, error) { return inner, nil }

// Park refuses every request.
func (p *Parker) Park(
	http.ResponseWriter, *http.Request, func(),
) (answer func(status int, header http.Header, body []byte), ok bool) {
	return nil, false
}

// Drain returns at once.
func (p *Parker) Drain(context.Context) error { return nil }
