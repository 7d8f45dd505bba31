package kasse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// mostPushed limits the body of a pushed event, which stays under 20 KB. Source: docs/events.md.
const mostPushed = 64 << 10

// Verifier checks the signatures of pushed events. It is safe for concurrent use.
type Verifier struct{ webhooks []*standardwebhooks.Webhook }

// NewVerifier takes the endpoint's secrets (whsec_…), as in Kasse's EVENT_ENDPOINTS: one, or several
// during a rotation. It returns an error if there is none, or if one is malformed. No error contains
// a secret.
func NewVerifier(secrets ...string) (*Verifier, error) {
	v := &Verifier{}
	for _, secret := range secrets {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil || !strings.HasPrefix(secret, "whsec_") || len(secret) < len("whsec_")+32 {
			return nil, errors.New("kasse: a secret must be whsec_ and the base64 of 24 bytes or more")
		}
		v.webhooks = append(v.webhooks, webhook)
	}
	if len(v.webhooks) == 0 {
		return nil, errors.New("kasse: NewVerifier needs at least one secret (whsec_…)")
	}
	return v, nil
}

// ErrNotSigned means that the event has no valid signature, or that its time differs from now by
// more than five minutes. Answer 401.
var ErrNotSigned = errors.New(
	"kasse: the event is not signed by Kasse: the secret, the body or the time does not fit")

// Event reads and verifies a pushed event. Answer 2xx only after the event's effect is stored;
// after any other answer Kasse delivers it again, except after 410, which disables the endpoint.
// The error is ErrNotSigned, or an error of reading or decoding the body.
func (v *Verifier) Event(r *http.Request) (*PushedEvent, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostPushed))
	if err != nil {
		return nil, fmt.Errorf("kasse: read the event: %w", err)
	}
	return v.Verify(body, r.Header)
}

// Verify is Event for a body that has already been read. The bytes must be those that were sent: JSON
// that was parsed and written again does not verify.
func (v *Verifier) Verify(body []byte, header http.Header) (*PushedEvent, error) {
	for _, webhook := range v.webhooks {
		if webhook.Verify(body, header) != nil {
			continue
		}
		event := new(PushedEvent)
		if err := json.Unmarshal(body, event); err != nil {
			return nil, fmt.Errorf("kasse: the event does not match openapi.yaml: %w", err)
		}
		return event, nil
	}
	return nil, ErrNotSigned
}
