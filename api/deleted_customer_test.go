package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// deleteCustomer deletes or merges a customer at Stripe, as the shop's own staff may.
func (w *apiEnv) deleteCustomer(id string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodDelete, "/v1/customers/"+id, nil)
	r.Header.Set("Authorization", "Bearer sk_test_kasse")
	answer := httptest.NewRecorder()
	if w.stripe.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		w.t.Fatalf("delete %s: %d %s", id, answer.Code, answer.Body)
	}
}

// forCustomer asks for a payment of shop-1 by a service key.
func (w *apiEnv) forCustomer(customer, more string) reply {
	w.t.Helper()
	body := fmt.Sprintf(`{"order_id":"shop-1","amount":4999,"currency":"eur","customer":%q%s}`, customer, more)
	return w.send(request{line: createLine, token: fullKey, body: body})
}

// TestDeletedCustomer: a customer was deleted or merged at Stripe. Every create for it is refused, each under the next
// attempt's number, and none of that sticks: with reopen the order is paid by another customer.
func TestDeletedCustomer(t *testing.T) {
	tests := map[string]struct {
		opened  bool // a payment was opened before the customer was deleted
		refused int  // creates before the order is reopened
		attempt int  // of the payment in the end
	}{
		"before the first create":  {false, 1, 3},
		"and asked for repeatedly": {false, 3, 5},
		"after the first create":   {true, 2, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			gone, other := w.customer(), w.customer()
			var first opened
			if test.opened {
				w.forCustomer(gone, "").into(t, http.StatusCreated, &first)
			}
			w.deleteCustomer(gone)
			for range test.refused {
				answer := w.forCustomer(gone, "").says(t, 422, "customer_not_found")
				if !strings.Contains(
					answer.body, `"pointer":"/customer"`,
				) || !strings.Contains(answer.body, `"retryable":false`) {
					t.Errorf("the answer is %s", answer.body)
				}
			}
			w.forCustomer(gone, `,"reopen":true`).says(t, 422, "customer_not_found")
			var made opened
			w.forCustomer(other, `,"reopen":true`).into(t, http.StatusCreated, &made)
			if made.Customer == nil || *made.Customer != other || made.Session == nil || made.Attempt != test.attempt {
				t.Errorf("opened %+v", made)
			}
			var again opened
			w.forCustomer(other, "").into(t, http.StatusOK, &again)
			if again.PaymentIntent != made.PaymentIntent || again.PaymentIntent == first.PaymentIntent {
				t.Errorf("repeated %+v, opened %+v, first %+v", again, made, first)
			}
		})
	}
}

// TestDeletedCustomerOfATokensOrder: a token for the deleted customer is refused; one that is minted for another
// customer pays the order.
func TestDeletedCustomerOfATokensOrder(t *testing.T) {
	for _, openedBefore := range []bool{false, true} {
		w := newEnv(t)
		gone, other := w.customer(), w.customer()
		rev := w.now.UnixMilli() - 10_000
		stale := w.token(claims{"customer": gone, "rev": rev})
		if openedBefore {
			w.send(request{line: createLine, token: stale}).into(t, http.StatusCreated, &opened{})
		}
		w.deleteCustomer(gone)
		for range 2 {
			w.send(request{line: createLine, token: stale}).says(t, 422, "customer_not_found")
		}
		var made opened
		w.send(
			request{line: createLine, token: w.token(claims{"customer": other, "rev": rev + 1})},
		).into(t, http.StatusCreated, &made)
		if made.Customer == nil || *made.Customer != other || made.Session == nil {
			t.Errorf("opened %+v", made)
		}
		w.send(request{line: createLine, token: stale}).says(t, 409, "order_conflict")
	}
}
