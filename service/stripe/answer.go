package stripe

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// answer is a PaymentIntent with the HTTP answer that it came in.
type answer struct {
	stripego.APIResource
	intent
}

// translate dates the answer. A replay, and the answer to a call that was sent more than once, may be older than that.
func (a *answer) translate(repeated bool, now func() time.Time) payment.Answer {
	at := date(a.LastResponse.Header, now)
	return payment.Answer{
		Intent: a.intent.translate(), RequestID: requestID(a.LastResponse.Header), Date: at,
		Stale:         repeated || replayed(a.LastResponse.Header),
		CaptureBefore: a.LatestCharge.captureBefore(), Charged: a.charged(), Details: a.details(at),
	}
}

// read is translate for an answer that may be none of Stripe's: a proxy on the way can say 200 too.
func (a *answer) read(repeated bool, now func() time.Time) (payment.Answer, error) {
	if err := a.unreadable(); err != nil {
		return payment.Answer{}, unreadableAnswer(err)
	}
	return a.translate(repeated, now), nil
}

// date is when Stripe answered, in Unix seconds by its clock.
func date(h http.Header, now func() time.Time) int64 {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		at = now()
	}
	return at.Unix()
}

// requestID identifies an answer; a proxy may have lost Stripe's name for it.
func requestID(h http.Header) string { return cmp.Or(h.Get("Request-Id"), rand.Text()) }

func replayed(h http.Header) bool { return h.Get("Idempotent-Replayed") == "true" }

// session is what we read of a CustomerSession.
//
// Source: https://docs.stripe.com/api/customer_sessions/object
type session struct {
	stripego.APIResource
	ClientSecret payment.Secret `json:"client_secret"`
	ExpiresAt    int64          `json:"expires_at"`
}
