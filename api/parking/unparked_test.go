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

// untyped is a listener whose connections hide their type, and so their descriptor.
type untyped struct{ net.Listener }

func (u untyped) Accept() (net.Conn, error) {
	c, err := u.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// TestConnectionWithoutDescriptorIsAnswered: a waiting request is answered although its connection has no descriptor,
// as when none is free. The connection closes then.
func TestConnectionWithoutDescriptorIsAnswered(t *testing.T) {
	s := start(t, parking.Options{}, func(l net.Listener) net.Listener { return untyped{l} })
	c := s.dial()
	c.send(c.waiting)
	w := s.next(c)
	if !w.parked {
		t.Error("the request is not parked")
	}
	w.answer(answer{http.StatusOK, nil, "one"})
	all, err := io.ReadAll(c.reader)
	if err != nil || !bytes.Contains(all, []byte("\r\nConnection: close\r\n")) || !bytes.HasSuffix(all, []byte("one")) {
		t.Errorf("got %s, %v", all, err)
	}
}

// TestNotEveryRequestIsParked: a request of HTTP/1.0, or with a body, keeps its goroutine.
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
			t.Errorf("the request is parked: %s", text)
		}
		w.answer(answer{http.StatusOK, nil, "one"})
		c.read()
	}
}
