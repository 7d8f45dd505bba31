package push_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/push"
)

// scripted is a server that sends one prepared response to each request, in order, and then closes the
// connection.
func scripted(t *testing.T, answers ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	connections = &atomic.Int64{}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer c.Close()
				reader := bufio.NewReader(c)
				for _, answer := range answers {
					r, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(c, answer)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String(), connections
}

// TestResponsesOfHTTP1: each form of a response that HTTP/1.1 allows is read, and the connection is used again if the
// response allows it.
func TestResponsesOfHTTP1(t *testing.T) {
	const last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, test := range map[string]struct {
		answer string
		status int
		again  bool
	}{
		"no body":  {"HTTP/1.1 204 No Content\r\n\r\n", 204, true},
		"a length": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true},
		"chunks":   {"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 500, true},
		"informational": {
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
			202, true,
		},
		"it will close":  {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, false},
		"HTTP/1.0":       {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false},
		"another answer": {last + last, 200, false},
		"switching":      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 101, false},
		"no response":    {"SMTP\r\n\r\n", 0, false},
		"a short header": {"HTTP/1.1 200 OK\r\nContent-", 0, false},
		"never final":    {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 7), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{test.answer, last}
			if test.status == 0 {
				answers = answers[:1]
			}
			url, connections := scripted(t, answers...)
			e := endpoint(t, url)
			if status, _ := e.Push(t.Context(), event); status != test.status {
				t.Errorf("the status is %d, want %d", status, test.status)
			}
			want := int64(2)
			if test.again {
				want = 1
			}
			if _, err := e.Push(t.Context(), event); connections.Load() != want {
				t.Errorf("%d connections were made, want %d; %v", connections.Load(), want, err)
			}
		})
	}
}

// TestClosedIdleConnection: a delivery succeeds although the endpoint has closed the idle connection.
func TestClosedIdleConnection(t *testing.T) {
	url, connections := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // and closes the connection
	e := endpoint(t, url)
	for range 5 {
		if _, err := e.Push(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // until the end of the connection has arrived
	}
	if n := connections.Load(); n != 5 {
		t.Errorf("%d connections were made, want 5", n)
	}
}

// TestConnectionsAreReused: deliveries one after the other use one connection.
func TestConnectionsAreReused(t *testing.T) {
	var open atomic.Int64
	r := httptest.NewUnstartedServer(status(http.StatusOK))
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			open.Add(1)
		}
	}
	r.Start()
	defer r.Close()
	e := endpoint(t, r.URL)
	for range 20 {
		if _, err := e.Push(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if n := open.Load(); n != 1 {
		t.Errorf("%d connections were made, want 1", n)
	}
	e.Close() // the goroutines of an idle connection would fail TestMain
}

// TestCanceledDelivery: a canceled delivery ends at once, and so does its connection.
func TestCanceledDelivery(t *testing.T) {
	arrived := make(chan struct{})
	r := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer r.Close()
	e := endpoint(t, r.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if status, err := e.Push(ctx, event); status != 0 || err == nil {
		t.Errorf("got status %d, %v; want an error", status, err)
	}
}

// TestVersionsOfHTTP: an endpoint with TLS gets requests in its version of HTTP. Its certificate is verified for each
// new connection.
func TestVersionsOfHTTP(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		versions := make(chan string, 3)
		r := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			versions <- r.Proto + " " + r.Header.Get("Webhook-Id")
		}))
		r.EnableHTTP2 = http2
		r.StartTLS()
		defer r.Close()
		e := endpoint(t, r.URL)
		roots := x509.NewCertPool()
		roots.AddCert(r.Certificate())
		push.Trust(e, roots)
		want := "HTTP/1.1 " + event.ID
		if http2 {
			want = "HTTP/2.0 " + event.ID
		}
		for range 3 {
			if _, err := e.Push(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			if got := <-versions; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		e = endpoint(t, r.URL)
		push.Trust(e, x509.NewCertPool()) // no trusted certificate
		var f *push.Failure
		if _, err := e.Push(t.Context(), event); !errors.As(err, &f) || !strings.Contains(f.Reason, "certificate") {
			t.Errorf("got error %v, want one about the certificate", err)
		}
	}
}

// TestSameHeaders: requests with and without TLS have the same headers.
func TestSameHeaders(t *testing.T) {
	var all []string
	for _, start := range []func(*httptest.Server){(*httptest.Server).Start, (*httptest.Server).StartTLS} {
		r := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var text strings.Builder
			r.Header.Del("Webhook-Timestamp")
			r.Header.Del("Webhook-Signature")
			_ = r.Header.Write(&text)
			all = append(all, r.Method+" "+r.RequestURI+"\n"+text.String())
			if _, rest, _ := strings.Cut(r.Host, ":"); rest == "" {
				t.Errorf("the host is %s", r.Host)
			}
		}))
		start(r)
		defer r.Close()
		scheme, host, _ := strings.Cut(r.URL, "://")
		e := endpoint(t, scheme+"://shop:a%2Fb@"+host+"/in%20here?a=1%2C2&b")
		if r.TLS != nil {
			roots := x509.NewCertPool()
			roots.AddCert(r.Certificate())
			push.Trust(e, roots)
		}
		traced := event
		traced.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		if _, err := e.Push(t.Context(), traced); err != nil {
			t.Fatal(err)
		}
	}
	if all[0] != all[1] || !strings.Contains(all[0], "Authorization: Basic ") ||
		!strings.Contains(all[0], "Traceparent: 00-0af") {
		t.Errorf("%s\n%s", all[0], all[1])
	}
}

// TestHeadersCannotBeInjected: an event whose id contains a line break is not sent.
func TestHeadersCannotBeInjected(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	broken := event
	broken.ID = "pi_1.1\r\nX-Evil: 1"
	status, err := endpoint(t, r.URL).Push(t.Context(), broken)
	if status != 0 || err == nil || len(r.requests) != 0 {
		t.Errorf("%d, %v, %d requests", status, err, len(r.requests))
	}
}

// TestConnectionsCheckTheAddress: the address is checked for each connection.
func TestConnectionsCheckTheAddress(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	e := endpoint(t, r.URL)
	push.RefusePrivate(e)
	if status, err := e.Push(t.Context(), event); status != 0 || err == nil ||
		!strings.Contains(err.Error(), "its address is private") || len(r.requests) != 0 {
		t.Errorf("%d, %v, %d requests", status, err, len(r.requests))
	}
}
