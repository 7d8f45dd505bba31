package parking

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// largestRequest is the size, in bytes, up to which the Parker reads a request itself.
const largestRequest = 4 << 10

// parseRequest parses a request; nil if http.Server must read it. It accepts only the plainest form of HTTP: one whole
// GET of HTTP/1.1 without a body, for a path without escapes, with one Host and printable header fields. For these it
// returns what http.ReadRequest returns. An incomplete request, or one with bytes of the next one, is left to
// http.Server.
func parseRequest(text string, takes func(path string) bool) *http.Request {
	head, rest, whole := strings.Cut(text, "\r\n\r\n")
	line, lines, _ := strings.Cut(head, "\r\n")
	target, isGet := strings.CutPrefix(line, "GET ")
	target, isPlain := strings.CutSuffix(target, " HTTP/1.1")
	if !whole || rest != "" || !isGet || !isPlain {
		return nil
	}
	path, query, hasQuery := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || hasQuery == (query == "") ||
		!consistsOf(path, inPath) || !consistsOf(query, inQuery) || !takes(path) {
		return nil
	}
	header, host := parseHeader(lines)
	if host == "" {
		return nil
	}
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: query}, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: header, Body: http.NoBody, Host: host, RequestURI: target,
	}
}

// parseHeader reads the fields of a header. The host is empty if http.Server must read the request.
func parseHeader(lines string) (header http.Header, host string) {
	count := strings.Count(lines, "\r\n") + 1
	header = make(http.Header, count)
	values := make([]string, count) // of all fields
	for i := 0; lines != ""; i++ {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" || !consistsOf(name, inName) || !consistsOf(value, inValue) {
			return nil, ""
		}
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " \t")
		switch name {
		case "Host":
			if host != "" || !consistsOf(value, inHost) {
				return nil, ""
			}
			host = value
			continue
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade":
			return nil, "" // it has a body, or wants more than an answer
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return nil, ""
			}
		}
		if earlier := header[name]; earlier != nil {
			header[name] = append(earlier, value)
			continue
		}
		values[i] = value
		header[name] = values[i : i+1 : i+1]
	}
	if header["Pragma"] != nil && header["Cache-Control"] == nil { // http.Server makes the one of the other
		return nil, ""
	}
	return header, host
}

// characters has the classes of each byte: what it may be part of.
type characters uint8

const (
	inPath characters = 1 << iota
	inQuery
	inName
	inValue
	inHost
)

var allowed = func() (all [256]characters) {
	for b := range all {
		if b == '\t' || (b >= ' ' && b <= '~') {
			all[b] |= inValue
		}
	}
	const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for what, these := range map[characters]string{
		inPath: alphanumeric + "/-_.~", inQuery: alphanumeric + "-_.~=&", inName: alphanumeric + "-_",
		inHost: alphanumeric + "-.:[]",
	} {
		for _, b := range []byte(these) {
			all[b] |= what
		}
	}
	return all
}()

func consistsOf(text string, what characters) bool {
	for i := range len(text) {
		if allowed[text[i]]&what == 0 {
			return false
		}
	}
	return true
}
