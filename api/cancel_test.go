package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/test/wait"
)

const (
	cancelIntent = "POST /v1/payment_intents/{intent}/cancel"
	shopOne      = `{"order_id":"shop-1","amount":4999,"currency":"eur"}` // as create and token have it
)

func (w *apiEnv) cancel(made opened, body string) reply {
	w.t.Helper()
	return w.send(request{line: "POST /v1/payments/" + made.PaymentIntent + "/cancel", token: fullKey, body: body})
}

func TestCancelClosesTheOrder(t *testing.T) {
	for _, reason := range []string{"", "duplicate", "fraudulent", "requested_by_customer", "abandoned"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t)
			made := w.create("shop-1")
			var ended, again opened
			first := w.cancel(made, strings.ReplaceAll(`{"reason":"`+reason+`"}`, `""`, "null"))
			first.into(t, http.StatusOK, &ended)
			w.cancel(made, `{"reason":"duplicate"}`).into(t, http.StatusOK, &again)
			if ended.State != "canceled" || again.Version != ended.Version ||
				first.header.Get("ETag") != fmt.Sprintf(`"%d"`, ended.Version) {
				t.Errorf("ended %+v with %v, again %+v", ended, first.header, again)
			}
			if got := w.atStripe(made.PaymentIntent); got.Status != "canceled" || got.Reason != reason ||
				w.stripe.Count(cancelIntent) != 1 {
				t.Errorf("Stripe has %+v after %d calls", got, w.stripe.Count(cancelIntent))
			}
			w.checkClosed(http.StatusConflict, "order_closed")
			w.checkReopened()
		})
	}
}

// checkClosed requires that shop-1 takes no payment from any credential, writes nothing and does not call Stripe.
func (w *apiEnv) checkClosed(status int, code string) {
	w.t.Helper()
	if got := w.send(
		request{line: "GET /v1/orders/shop-1", token: w.token(nil)},
	); !strings.Contains(got.body, `"closed":true`) {
		w.t.Errorf("not closed: %s", got.body)
	}
	w.rested()
	dump, calls := w.dump(), len(w.stripe.Requests())
	newest := w.token(claims{"rev": w.now.UnixMilli() + 59_000, "amount": 1})
	for _, r := range []request{{token: shopKey, body: shopOne}, {token: w.token(nil)}, {token: newest}} {
		r.line = createLine
		answer := w.send(r).says(w.t, status, code)
		if retry := answer.header.Get("Retry-After"); (retry != "") != (status == http.StatusTooManyRequests) {
			w.t.Errorf("Retry-After is %q", retry)
		}
	}
	w.send(
		request{line: createLine, token: newest, body: `{"reopen":true}`},
	).says(w.t, http.StatusUnprocessableEntity, "claim_mismatch")
	w.checkUntouched(dump, calls)
}

// rested waits until the worker has no call to Stripe left.
func (w *apiEnv) rested() {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		waiting := int64(0)
		for _, key := range w.keys.Keys(w.t.Context(), "*:reads").Val() {
			waiting += w.keys.ZCard(w.t.Context(), key).Val()
		}
		switch {
		case waiting == 0:
			return
		case time.Now().After(deadline):
			w.t.Fatalf("%d payments wait for the worker", waiting)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// checkReopened opens the next attempt of shop-1, at the price that it had.
func (w *apiEnv) checkReopened() {
	w.t.Helper()
	w.mint(`{"order_id":"shop-1","amount":1,"currency":"eur"}`) // it is closed: this records nothing
	var next, again opened
	w.send(
		request{line: createLine, token: shopKey, body: strings.TrimSuffix(shopOne, "}") + `,"reopen":true}`},
	).into(w.t, http.StatusCreated, &next)
	if next.Attempt != 2 || next.Amount != 4999 || next.State != "pending" {
		w.t.Errorf("reopened as %+v", next)
	}
	w.send(request{line: createLine, token: w.token(nil)}).into(w.t, http.StatusOK, &again)
	if again.PaymentIntent != next.PaymentIntent || w.stripe.Count(makeIntent) != 2 {
		w.t.Errorf("%+v, then %+v", next, again)
	}
	got := w.send(request{line: "GET /v1/orders/shop-1", token: readKey})
	if !strings.Contains(got.body, `"closed":false`) || !strings.Contains(
		got.body, `"superseded":[{"payment_intent":`,
	) {
		w.t.Errorf("order is %s", got.body)
	}
}

func TestCancelThatIsTooLate(t *testing.T) {
	for status, detail := range map[string]string{"succeeded": "refund", "processing": "bank"} {
		for _, delivered := range []bool{true, false} {
			t.Run(fmt.Sprint(status, " and delivered ", delivered), func(t *testing.T) {
				t.Parallel()
				w := newEnv(t)
				made := w.create("shop-1")
				state := map[string]string{"succeeded": "paid", "processing": "processing"}[status]
				if delivered {
					w.deliverWebhooks()
				}
				w.bring(made.PaymentIntent, status)
				if delivered {
					w.reach(made.PaymentIntent, state)
				}
				answer := w.cancel(made, "").says(t, http.StatusConflict, "invalid_state")
				if !strings.Contains(answer.body, detail) || !strings.Contains(answer.body, `"state":"`+state+`"`) {
					t.Errorf("it does not say why: %s", answer.body)
				}
				if got := w.send(
					request{line: "GET /v1/orders/shop-1", token: readKey},
				); !strings.Contains(got.body, `"closed":false`) {
					t.Errorf("closed nevertheless: %s", got.body)
				}
			})
		}
	}
}

// TestCancelOfAnEarlierAttempt: an attempt that made way for another is none of the caller's business.
func TestCancelOfAnEarlierAttempt(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	w.cancel(made, "").into(t, http.StatusOK, &opened{})
	w.checkReopened()
	w.cancel(made, "").says(t, http.StatusConflict, "invalid_state")
	if got := w.send(
		request{line: "GET /v1/orders/shop-1", token: readKey},
	); !strings.Contains(got.body, `"closed":false`) {
		t.Errorf("closed by its first attempt: %s", got.body)
	}
}

// decline is the customer's page trying a card that the bank declines.
func (w *apiEnv) decline(made opened) {
	w.t.Helper()
	form := url.Values{
		"client_secret": {made.ClientSecret}, "payment_method": {"pm_card_visa_chargeDeclined"},
		"return_url": {"https://shop.example"},
	}
	r := httptest.NewRequestWithContext(
		w.t.Context(), http.MethodPost, "/v1/payment_intents/"+made.PaymentIntent+"/confirm",
		strings.NewReader(form.Encode()),
	)
	r.Header.Set("Authorization", "Bearer pk_test_kasse")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	w.stripe.ServeHTTP(answer, r)
	if answer.Code != http.StatusPaymentRequired {
		w.t.Fatalf("not declined: %d %s", answer.Code, answer.Body)
	}
}

// TestCardTesting: past MAX_FAILED_ATTEMPTS the worker cancels the payment, and the order is closed.
func TestCardTesting(t *testing.T) {
	w := newEnv(t, func(o *service.Options) { o.MaxFailures = 2 })
	w.deliverWebhooks()
	made := w.create("shop-1")
	w.decline(made)
	w.decline(made)
	w.reach(made.PaymentIntent, "failed")
	w.send(request{line: createLine, token: w.token(nil)}).into(t, http.StatusOK, &opened{}) // twice is forgiven
	w.decline(made)
	w.reach(made.PaymentIntent, "canceled")
	deadline := time.Now().Add(wait.Patience)
	for w.atStripe(made.PaymentIntent).Status != "canceled" {
		if time.Now().After(deadline) {
			t.Fatalf("Stripe has %+v", w.atStripe(made.PaymentIntent))
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.checkClosed(http.StatusTooManyRequests, "attempts_exhausted")
	w.checkReopened()
}
