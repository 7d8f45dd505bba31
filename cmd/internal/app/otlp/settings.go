package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// settings are the values of OpenTelemetry's variables for the connection to the collector.
type settings struct {
	url     url.URL
	headers http.Header
	timeout time.Duration // of one request
	gzip    bool
	json    bool        // protobuf otherwise
	tls     *tls.Config // nil: Go's defaults
}

// Defaults. Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
const (
	defaultHost    = "localhost:4318"
	defaultPath    = "/v1/traces"
	defaultTimeout = 10 * time.Second
)

// reader reads variables that have a form for all signals and one for traces, which wins: OTEL_EXPORTER_OTLP_TIMEOUT
// and OTEL_EXPORTER_OTLP_TRACES_TIMEOUT.
type reader struct {
	get    func(string) string
	ignore func(variable, problem string) // reports a value that is not used
}

// lookup passes both forms to use, that for traces last. An empty variable counts as not set.
func (r reader) lookup(name string, use func(value string, traces bool) (problem string)) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		value := strings.TrimSpace(r.get(prefix + name))
		if value == "" {
			continue
		}
		if problem := use(value, strings.HasSuffix(prefix, "TRACES_")); problem != "" {
			r.ignore(prefix+name, problem)
		}
	}
}

// readSettings reads the variables. It fails where certificates are given for a collector without TLS.
func readSettings(get func(string) string, ignore func(variable, problem string)) (settings, error) {
	s := settings{
		url: url.URL{Scheme: "https", Host: defaultHost, Path: defaultPath}, headers: http.Header{},
		timeout: defaultTimeout,
	}
	r := reader{get, ignore}
	r.lookup("ENDPOINT", s.endpoint)
	r.lookup("INSECURE", func(value string, _ bool) string {
		s.url.Scheme = "https"
		if strings.EqualFold(value, "true") {
			s.url.Scheme = "http"
		}
		return ""
	})
	r.lookup("HEADERS", func(value string, _ bool) (problem string) {
		s.headers, problem = parseHeaders(value)
		return problem
	})
	r.lookup("COMPRESSION", func(value string, _ bool) string {
		s.gzip = value == "gzip"
		return ""
	})
	r.lookup("PROTOCOL", func(value string, _ bool) string {
		s.json = value == "http/json"
		if !s.json && value != "http/protobuf" {
			return "neither http/protobuf nor http/json; http/protobuf is used"
		}
		return ""
	})
	r.lookup("TIMEOUT", func(value string, _ bool) string {
		milliseconds, err := strconv.Atoi(value)
		if err != nil {
			return "not a number of milliseconds"
		}
		s.timeout = time.Duration(milliseconds) * time.Millisecond
		return ""
	})
	r.certificates(&s)
	if s.tls != nil && s.url.Scheme == "http" {
		return s, errors.New("certificates are set, but the collector's URL is not https")
	}
	return s, nil
}

// endpoint reads the collector's address. That of all signals is a base, to which the path of traces is added; that
// of traces is used as it is.
func (s *settings) endpoint(value string, traces bool) (problem string) {
	given, err := url.Parse(value)
	if err != nil || given.Host == "" {
		return "not an http or https URL"
	}
	s.url = url.URL{Scheme: "https", Host: given.Host, Path: given.Path}
	if given.Scheme == "http" {
		s.url.Scheme = "http"
	}
	switch {
	case !traces:
		s.url.Path = path.Join("/", given.Path, defaultPath)
	case given.Path == "":
		s.url.Path = "/"
	}
	return ""
}

// parseHeaders reads name=value pairs with a comma between them; values are percent-encoded.
func parseHeaders(list string) (headers http.Header, problem string) {
	headers = http.Header{}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(value)
		value = strings.TrimSpace(value)
		if !found || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			problem = "an entry must be a header name, = and a percent-encoded value"
			continue
		}
		headers.Set(name, value)
	}
	return headers, problem
}

// certificates reads the files of the collector's authority, and of our own certificate with its key.
func (r reader) certificates(s *settings) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	r.lookup("CERTIFICATE", func(file string, _ bool) string {
		text, err := os.ReadFile(file) //nolint:gosec // who sets the environment may name any file
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(text) {
			return "not a PEM file with certificates"
		}
		config.RootCAs, s.tls = pool, config
		return ""
	})
	keys := map[bool]string{}
	r.lookup("CLIENT_KEY", func(file string, traces bool) string { keys[traces] = file; return "" })
	r.lookup("CLIENT_CERTIFICATE", func(file string, traces bool) string {
		if keys[traces] == "" {
			return "the matching CLIENT_KEY is not set"
		}
		own, err := tls.LoadX509KeyPair(file, keys[traces])
		if err != nil {
			return "it and CLIENT_KEY must be PEM files with a certificate and its key"
		}
		config.Certificates, s.tls = []tls.Certificate{own}, config
		return ""
	})
}
