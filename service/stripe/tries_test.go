package stripe

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

// TestTries: a call is sent this often for each status, without the header Stripe-Should-Retry. The test protects
// against upgrades of stripe-go: its later major versions send a call once for 409, 500 and 503.
func TestTries(t *testing.T) {
	for status, want := range map[int]struct{ get, post int }{
		http.StatusBadRequest:          {1, 1},
		http.StatusUnauthorized:        {1, 1},
		http.StatusPaymentRequired:     {1, 1},
		http.StatusForbidden:           {2, 1}, // a read is repeated without the review: see withReviews
		http.StatusNotFound:            {1, 1},
		http.StatusConflict:            {tries, tries},
		http.StatusTooManyRequests:     {1, 1},
		http.StatusInternalServerError: {tries, tries},
		http.StatusServiceUnavailable:  {tries, tries},
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			handle := func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":{"type":"api_error","message":"no"}}`))
			}
			g, seen := stripeThat(t, time.Minute, handle)
			_, err := g.RetrievePayment(t.Context(), "pi_1")
			if err == nil || len(*seen) != want.get {
				t.Errorf("a GET is sent %d times, want %d: %v", len(*seen), want.get, err)
			}
			*seen = nil
			_, err = g.OpenPayment(t.Context(), "key", "amount=1000")
			if err == nil || len(*seen) != want.post {
				t.Errorf("a POST is sent %d times, want %d: %v", len(*seen), want.post, err)
			}
			for _, r := range *seen {
				if r.Header.Get("Idempotency-Key") != "key" {
					t.Errorf("a try has the key %q", r.Header.Get("Idempotency-Key"))
				}
			}
		})
	}
}
