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

// mostPushed bounds the body of a pushed event, which stays under 20 KB. Source: docs/events.md.
const mostPushed = 64 << 10

// Verifier checks the signature of pushed events. It is safe for concurrent use.
type Verifier struct{ webhooks []*standardwebhooks.Webhook }

// NewVerifier takes the endpoint's secrets in EVENT_ENDPOINTS (whsec_…): one, or several during a
// rotation. No error contains them.
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
		return nil, errors.New("kasse: no secret to verify events is set")
	}
	return v, nil
}

// ErrNotSigned means that no secret signed the event within the last five minutes. Answer 401.
var ErrNotSigned = errors.New("kasse: the event is not signed by Kasse")

// Event reads and verifies a pushed event. Answer 2xx only after the event's effect is stored;
// after any other answer Kasse delivers it again. The error is ErrNotSigned, or an error of reading
// or decoding the body.
func (v *Verifier) Event(r *http.Request) (*PushedEvent, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostPushed))
	if err != nil {
		return nil, fmt.Errorf("kasse: read the event: %w", err)
	}
	return v.Verify(body, r.Header)
}

// Verify is Event for a body that has already been read. The bytes must be unchanged.
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
