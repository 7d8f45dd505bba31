package stripe

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// answer is a PaymentIntent with the headers of its HTTP response.
type answer struct {
	stripego.APIResource
	intent
}

// translate converts the answer and dates it. A replay, or the response to a call that was sent several
// times, may be older than its date.
func (a *answer) translate(repeated bool, now func() time.Time) payment.Answer {
	at := date(a.LastResponse.Header, now)
	return payment.Answer{
		Intent: a.intent.translate(), RequestID: requestID(a.LastResponse.Header), Date: at,
		Stale:         repeated || replayed(a.LastResponse.Header),
		CaptureBefore: a.LatestCharge.captureBefore(), Charged: a.charged(), Details: a.details(at),
	}
}

// read is translate for an unvalidated response: a proxy can return 200, too.
func (a *answer) read(repeated bool, now func() time.Time) (payment.Answer, error) {
	if err := a.unreadable(); err != nil {
		return payment.Answer{}, unreadableAnswer(err)
	}
	return a.translate(repeated, now), nil
}

// date is the time of the response by Stripe's clock, in Unix seconds.
func date(h http.Header, now func() time.Time) int64 {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		at = now()
	}
	return at.Unix()
}

// requestID identifies a response. A proxy may have removed Stripe's Request-Id.
func requestID(h http.Header) string { return cmp.Or(h.Get("Request-Id"), rand.Text()) }

func replayed(h http.Header) bool { return h.Get("Idempotent-Replayed") == "true" }

// session holds the members of a CustomerSession that Kasse uses.
//
// Source: https://docs.stripe.com/api/customer_sessions/object
type session struct {
	stripego.APIResource
	ClientSecret payment.Secret `json:"client_secret"`
	ExpiresAt    int64          `json:"expires_at"`
}
