package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kasse/api"
	"kasse/api/parking"
)

// bounds limit a connection in time and size, so that a slow client holds it only so long and uses little
// memory.
type bounds struct {
	readHeader time.Duration // from the first byte of a request, or the connection's start
	read       time.Duration // for a whole request
	write      time.Duration // from the end of the header to the end of the response
	idle       time.Duration // between requests
	header     int           // bytes; net/http allows 4,096 more
}

// boundsFor leaves time for a create, which may take STRIPE_TIMEOUT and its waits, and for a held poll of 25
// s.
func boundsFor(c Config) bounds {
	return bounds{
		readHeader: 10 * time.Second, read: 30 * time.Second, write: c.StripeTimeout +
			45*time.Second, idle: 2 * time.Minute,
		header: 64 << 10,
	}
}

// server is a listener with its HTTP server.
type server struct {
	http.Server
	listener net.Listener
	address  string
}

// listen opens the address of a variable. An error names the variable. net/http would answer OPTIONS * itself, without
// the headers of every answer.
func (a *App) listen(ctx context.Context, variable, address string, handler http.Handler) (*server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: end the program that uses this address, or choose another one", variable, err)
	}
	return &server{listener: listener, address: listener.Addr().String(), Server: http.Server{
		Handler: handler, ReadHeaderTimeout: a.bounds.readHeader, ReadTimeout: a.bounds.read,
		WriteTimeout: a.bounds.write, IdleTimeout: a.bounds.idle, MaxHeaderBytes: a.bounds.header,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), DisableGeneralOptionsHandler: true,
	}}, nil
}

// newParker returns the parker of waiting requests; nil if WAIT_PARKING is false.
func (a *App) newParker() api.Parker {
	if !a.WaitParking {
		return nil
	}
	a.parker = parking.New(parking.Options{})
	if a.tracing != nil {
		return a.tracing.Parker(a.parker)
	}
	return a.parker
}

// outliving returns a function that detaches a parked request's context. It keeps only the span.
func (a *App) outliving() func(context.Context) context.Context {
	if a.tracing == nil {
		return nil
	}
	return a.tracing.Outliving
}

// park lets the parker take over the server's connections while their requests wait, and answer plain status reads
// without http.Server.
func (a *App) park(s *server) (err error) {
	if a.parker == nil {
		return nil
	}
	a.parker.Options = parking.Options{
		WriteTimeout: s.WriteTimeout, IdleTimeout: s.IdleTimeout, ReadHeaderTimeout: s.ReadHeaderTimeout,
		Handler: s.Handler, Reads: api.IsStatusPath, ErrorLog: s.ErrorLog,
	}
	s.listener, err = a.parker.Listen(s.listener)
	return err
}

func (s *server) serve() error {
	if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
