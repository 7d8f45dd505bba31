package console

import (
	"encoding/json"
	"io"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receivePush handles POST /push. Kasse pushes events to the console, as to a shop's backend.
func (c *Console) receivePush(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<18))
	if err != nil {
		Refuse(w, http.StatusRequestEntityTooLarge, "The event is too large.")
		return
	}
	verifier, err := standardwebhooks.NewWebhook(c.PushSecret)
	if err != nil || verifier.Verify(body, r.Header) != nil {
		Refuse(w, http.StatusBadRequest, "The signature is wrong.")
		return
	}
	var event struct {
		ID, Type string
		Data     struct {
			OrderID       string `json:"order_id"`
			PaymentIntent string `json:"payment_intent"`
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		Refuse(w, http.StatusBadRequest, "The event is not JSON.")
		return
	}
	c.seen.addPush(push{
		at: c.Now(), id: event.ID, kind: event.Type, order: event.Data.OrderID, payment: event.Data.PaymentIntent,
	})
	c.news.notify()
	w.WriteHeader(http.StatusNoContent)
}
