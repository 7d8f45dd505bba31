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

// Verifier checks that Kasse has sent an event. It may be used by several goroutines at once.
type Verifier struct{ webhooks []*standardwebhooks.Webhook }

// NewVerifier takes the secrets of the endpoint in EVENT_ENDPOINTS (whsec_…); several while they are rotated. An error
// never shows them.
func NewVerifier(secrets ...string) (*Verifier, error) {
	v := &Verifier{}
	for _, secret := range secrets {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil || !strings.HasPrefix(secret, "whsec_") || len(secret) < len("whsec_")+32 {
			return nil, errors.New("kasse: a secret is not whsec_ and the base64 of 24 bytes or more")
		}
		v.webhooks = append(v.webhooks, webhook)
	}
	if len(v.webhooks) == 0 {
		return nil, errors.New("kasse: there is no secret to verify events with")
	}
	return v, nil
}

// ErrNotSigned means that the event was not signed with any of the secrets within the last five minutes. Answer 401.
var ErrNotSigned = errors.New("kasse: the event is not signed by Kasse")

// Event reads and verifies a pushed event. Answer with 2xx only when what the event asks for is stored: with anything
// else it comes again. The error is ErrNotSigned, or says that the body could not be read.
func (v *Verifier) Event(r *http.Request) (*PushedEvent, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostPushed))
	if err != nil {
		return nil, fmt.Errorf("kasse: read the event: %w", err)
	}
	return v.Verify(body, r.Header)
}

// Verify is Event for a body that has been read, byte for byte as it came.
func (v *Verifier) Verify(body []byte, header http.Header) (*PushedEvent, error) {
	for _, webhook := range v.webhooks {
		if webhook.Verify(body, header) != nil {
			continue
		}
		event := new(PushedEvent)
		if err := json.Unmarshal(body, event); err != nil {
			return nil, fmt.Errorf("kasse: the event is not what openapi.yaml says: %w", err)
		}
		return event, nil
	}
	return nil, ErrNotSigned
}
