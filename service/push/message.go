package push

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"net/http"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"kasse/service/payment"
)

// message is one request to an endpoint, without the headers that all its requests have.
type message struct {
	id         string // of the event
	at         string // Unix seconds
	signatures string // one for each secret, separated by spaces
	trace      string // traceparent; empty: none
	body       []byte
}

var errHeader = errors.New("a value cannot be sent in a header")

// newMessage encodes and signs an event.
func newMessage(event payment.FeedEvent, at time.Time, signers []*signer) (message, error) {
	if !fitsHeader(event.ID) || !fitsHeader(event.Trace) {
		return message{}, errHeader
	}
	body, err := encode(event)
	if err != nil {
		return message{}, err
	}
	m := message{id: event.ID, at: strconv.FormatInt(at.Unix(), 10), trace: event.Trace, body: body}
	var signatures []byte
	for i, s := range signers {
		if i > 0 {
			signatures = append(signatures, ' ')
		}
		signatures = s.appendSignature(signatures, m)
	}
	m.signatures = string(signatures)
	return m, nil
}

// fitsHeader reports whether a header can carry the text: it has no control characters.
func fitsHeader(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

// header returns the headers of the message.
func (m message) header() http.Header {
	h := make(http.Header, 6)
	setFixed(h)
	if m.trace != "" {
		h.Set("Traceparent", m.trace)
	}
	h.Set(standardwebhooks.HeaderWebhookID, m.id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, m.at)
	h.Set(standardwebhooks.HeaderWebhookSignature, m.signatures)
	return h
}

// appendTo appends the message to the head of a request over HTTP/1.1.
func (m message) appendTo(request []byte) []byte {
	line := func(name, value string) {
		request = append(append(append(append(request, name...), ": "...), value...), "\r\n"...)
	}
	request = append(request, "Content-Length: "...)
	request = append(strconv.AppendInt(request, int64(len(m.body)), 10), "\r\n"...)
	if m.trace != "" {
		line("Traceparent", m.trace)
	}
	line("Webhook-Id", m.id)
	line("Webhook-Signature", m.signatures)
	line("Webhook-Timestamp", m.at)
	return append(append(request, "\r\n"...), m.body...)
}

// setFixed sets the headers that all requests have.
func setFixed(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Kasse")
}

// newHead returns the beginning of every request to an endpoint over HTTP/1.1, as net/http writes it: the request line
// and the headers that do not differ.
func newHead(r *http.Request) ([]byte, error) {
	plain := *r
	plain.Header = http.Header{}
	setFixed(plain.Header)
	if user := r.URL.User; user != nil {
		password, _ := user.Password()
		plain.SetBasicAuth(user.Username(), password)
	}
	var text bytes.Buffer
	if err := plain.Write(&text); err != nil {
		return nil, err
	}
	head, empty := bytes.CutSuffix(text.Bytes(), []byte("\r\n\r\n"))
	length := []byte("\r\nContent-Length: 0")
	if !empty || bytes.Count(head, length) != 1 {
		return nil, errors.New("net/http writes requests in another form")
	}
	return append(bytes.Replace(head, length, nil, 1), "\r\n"...), nil
}

// signer signs messages with one secret, by the Standard Webhooks specification.
type signer struct {
	states sync.Pool // of *signing
}

// signing is what one signature needs; the states of the hash that depend on the secret alone are computed once.
type signing struct {
	mac    hash.Hash
	prefix []byte // of the signed text
	sum    []byte
}

// newSigner parses "whsec_" and the base64 of 24 to 64 bytes, the format of Standard Webhooks.
func newSigner(secret Secret) (*signer, error) {
	key, err := decodeSecret(secret)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret must be whsec_ and the base64 of 24 to 64 bytes")
	}
	return &signer{states: sync.Pool{New: func() any { return &signing{mac: hmac.New(sha256.New, key)} }}}, nil
}

// appendSignature appends the message's signature to a header.
func (s *signer) appendSignature(header []byte, m message) []byte {
	state := s.states.Get().(*signing) //nolint:forcetypeassert // New returns it
	defer s.states.Put(state)
	state.mac.Reset()
	state.prefix = append(append(append(append(state.prefix[:0], m.id...), '.'), m.at...), '.')
	_, _ = state.mac.Write(state.prefix)
	_, _ = state.mac.Write(m.body)
	state.sum = state.mac.Sum(state.sum[:0])
	return base64.StdEncoding.AppendEncode(append(header, "v1,"...), state.sum)
}
