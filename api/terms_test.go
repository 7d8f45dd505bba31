package api_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

// TestOldTokenPaysTodaysPrice: a page that was opened at a cheaper price shows and pays the newest.
func TestOldTokenPaysTodaysPrice(t *testing.T) {
	for name, openedBefore := range map[string]bool{"before its first create": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.deliverWebhooks()
			cheap := w.mint(`{"order_id":"shop-1","amount":1000,"currency":"eur"}`)
			var first, made opened
			if openedBefore {
				w.send(request{line: createLine, token: cheap.Token}).into(t, http.StatusCreated, &first)
			}
			today := w.mint(`{"order_id":"shop-1","amount":2000,"currency":"eur"}`)
			if today.Rev <= cheap.Rev {
				t.Errorf("revs are %d, then %d", cheap.Rev, today.Rev)
			}
			want := map[bool]int{false: http.StatusCreated, true: http.StatusOK}[openedBefore]
			w.send(request{line: createLine, token: cheap.Token, body: `{"amount":1000}`}).into(t, want, &made)
			if made.Amount != 2000 || w.atStripe(made.PaymentIntent).Amount != 2000 ||
				(openedBefore && made.PaymentIntent != first.PaymentIntent) {
				t.Errorf("opened %+v, then %+v", first, made)
			}
			w.bring(made.PaymentIntent, "succeeded")
			if paid := w.reach(made.PaymentIntent, "paid"); !strings.Contains(paid.body, `"amount_received":2000`) ||
				!strings.Contains(paid.body, `"fulfillable":true`) {
				t.Errorf("paid %s", paid.body)
			}
		})
	}
}

func TestTermsByRev(t *testing.T) {
	w := newEnv(t)
	customer, rev := w.customer(), w.now.UnixMilli()
	token := func(ahead int64, changed claims) string {
		all := claims{"rev": rev + ahead, "customer": customer}
		maps.Copy(all, changed)
		return w.token(all)
	}
	var first opened
	w.send(request{line: createLine, token: token(0, nil)}).into(t, http.StatusCreated, &first)
	for _, step := range []struct {
		name, token string
		status      int
		amount      int64
		attempt     int
	}{
		{"the same again", token(0, nil), 200, 4999, 1},
		{"older and cheaper", token(-1000, claims{"amount": 1}), 200, 4999, 1},
		{"as old and cheaper", token(0, claims{"amount": 1}), 200, 4999, 1},
		{"newer and dearer", token(5, claims{"amount": 6000}), 200, 6000, 1},
		{
			"without rev, by its iat",
			w.token(claims{"iat": w.now.Unix() - 10, "customer": customer, "amount": 2}), 200, 6000, 1,
		},
		{"newer and cheaper", token(6, claims{"amount": 3000}), 200, 3000, 1},
		{"newer, in another currency", token(7, claims{"amount": 3000, "currency": "usd"}), 201, 3000, 2},
		{
			"newer, to be captured later",
			token(8, claims{"amount": 3000, "currency": "usd", "capture_method": "manual"}), 201, 3000, 3,
		},
		{"the first again", token(0, nil), 200, 3000, 3},
	} {
		var made opened
		w.send(request{line: createLine, token: step.token}).into(t, step.status, &made)
		if made.Amount != step.amount || made.Attempt != step.attempt ||
			w.atStripe(made.PaymentIntent).Amount != step.amount {
			t.Errorf("%s: %+v", step.name, made)
		}
	}
	if got := w.atStripe(first.PaymentIntent); got.Status != "canceled" {
		t.Errorf("the first payment is %+v", got)
	}
}

// TestTokenOfAnotherCustomer: an older token shows no other customer's payment.
func TestTokenOfAnotherCustomer(t *testing.T) {
	w := newEnv(t)
	ada, bob := w.customer(), w.customer()
	w.mint(`{"order_id":"shop-1","amount":4999,"currency":"eur","customer":"` + ada + `"}`)
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, customer := range []any{bob, nil} {
		older := w.token(claims{"customer": customer, "rev": w.now.UnixMilli() - 1000})
		w.send(request{line: createLine, token: older}).says(t, http.StatusConflict, "order_conflict")
	}
	for _, body := range []string{
		shopOne, strings.Replace(
			shopOne, "4999", "4998", 1,
		), strings.TrimSuffix(shopOne, "}") + `,"customer":"` + bob + `"}`,
		strings.TrimSuffix(shopOne, "}") + `,"customer":"` + ada + `","capture_method":"manual"}`, strings.TrimSuffix(
			shopOne, "}",
		) + `,"customer":"` + ada + `","setup_future_usage":"on_session"}`,
	} {
		w.send(request{line: createLine, token: shopKey, body: body}).says(t, http.StatusConflict, "order_conflict")
	}
	w.checkUntouched(dump, calls)
	var made opened
	w.send(
		request{
			line: createLine, token: shopKey, body: strings.TrimSuffix(shopOne, "}") + `,"customer":"` + ada + `"}`,
		},
	).into(t, http.StatusCreated, &made)
	if made.Session == nil || *made.Customer != ada {
		t.Errorf("made %+v", made)
	}
}

// TestTermsOfAPaidOrderStand: neither a mint nor a token changes the terms of a paid order.
func TestTermsOfAPaidOrderStand(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	late := w.mint(`{"order_id":"shop-1","amount":1,"currency":"usd"}`)
	calls := len(w.stripe.Requests())
	for _, token := range []string{
		late.Token, w.token(nil), w.token(claims{"rev": w.now.UnixMilli() + 60_000, "amount": 1}),
	} {
		answer := w.send(request{line: createLine, token: token}).says(t, http.StatusConflict, "order_already_paid")
		if !strings.Contains(
			answer.body, `"payment":{"payment_intent":"`+made.PaymentIntent,
		) || strings.Contains(answer.body, "_secret_") {
			t.Errorf("the payment is missing in %s", answer.body)
		}
	}
	if got := w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent, token: late.Token},
	); !strings.Contains(got.body, `"amount":4999`) || !strings.Contains(got.body, `"fulfillable":true`) {
		t.Errorf("status is %s", got.body)
	}
	if got := len(w.stripe.Requests()); got != calls {
		t.Errorf("Stripe was asked %d times", got-calls)
	}
}
