package app

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// tlsBound limits the two probes of a server.
const tlsBound = time.Second

// tlsMismatch describes a Redis that speaks TLS although REDIS_URL does not, or the reverse; otherwise it is
// empty. go-redis cannot tell: a server without TLS waits for the end of a line, as if it did not answer. No
// password is sent.
func tlsMismatch(ctx context.Context, redisURL string) string {
	parsed, err := url.Parse(redisURL)
	if err != nil {
		return ""
	}
	for _, address := range append([]string{parsed.Host}, parsed.Query()["addr"]...) {
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, "6379")
		}
		switch {
		case parsed.Scheme == "rediss" && speaksPlain(ctx, address):
			return address + " answers without TLS, and REDIS_URL begins with rediss://: " +
				"begin it with redis://, or switch TLS on at the server"
		case parsed.Scheme == "redis" && speaksTLS(ctx, address):
			return address + " answers with TLS, and REDIS_URL begins with redis://: begin it with rediss://"
		}
	}
	return ""
}

func dialBriefly(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: tlsBound}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(tlsBound))
}

// speaksPlain reports whether the server answers PING without TLS. Redis's reply begins with + or -, with or
// without a user.
func speaksPlain(ctx context.Context, address string) bool {
	conn, err := dialBriefly(ctx, address)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	first := make([]byte, 1)
	if _, err = conn.Write([]byte("PING\r\n")); err == nil {
		_, err = conn.Read(first)
	}
	return err == nil && (first[0] == '+' || first[0] == '-')
}

// speaksTLS reports whether the server completes a TLS handshake. The certificate is not verified, since no
// data is sent.
func speaksTLS(ctx context.Context, address string) bool {
	conn, err := dialBriefly(ctx, address)
	if err != nil {
		return false
	}
	defer conn.Close()                                                //nolint:errcheck // it was only asked
	asking := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as above
	return asking.HandshakeContext(ctx) == nil
}
