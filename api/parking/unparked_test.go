//go:build linux

package parking_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"kasse/api/parking"
)

// plain hides what its connections are.
type plain struct{ net.Listener }

func (p plain) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// TestConnectionWithoutDescriptorIsAnswered: as one for which no descriptor is free.
func TestConnectionWithoutDescriptorIsAnswered(t *testing.T) {
	s := start(t, parking.Options{}, func(l net.Listener) net.Listener { return plain{l} })
	c := s.dial()
	c.send(c.waiting)
	w := s.next(c)
	if !w.parked {
		t.Error("not parked")
	}
	w.answer(answer{http.StatusOK, nil, "one"})
	all, err := io.ReadAll(c.reader)
	if err != nil || !bytes.Contains(all, []byte("\r\nConnection: close\r\n")) || !bytes.HasSuffix(all, []byte("one")) {
		t.Errorf("%v %s", err, all)
	}
}

// TestNotEveryRequestIsParked: others keep their goroutine.
func TestNotEveryRequestIsParked(t *testing.T) {
	s := start(t, parking.Options{})
	for _, text := range []string{
		"GET /wait HTTP/1.0\r\n\r\n", "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
	} {
		c := s.dial()
		c.id = ""
		c.send(text)
		w := s.next(c)
		if w.parked {
			t.Errorf("parked: %s", text)
		}
		w.answer(answer{http.StatusOK, nil, "one"})
		c.read()
	}
}
