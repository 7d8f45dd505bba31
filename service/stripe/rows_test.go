package stripe

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/service/payment"
)

// listsThat returns a gateway whose Stripe returns the given body for each path, and an empty list for any other.
func listsThat(t *testing.T, bodies map[string]string) *Gateway {
	t.Helper()
	g, _ := stripeThat(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			body = `{"data":[]}`
		}
		reply(http.StatusOK, body)(w, r)
	})
	return g
}

// ourRow is a PaymentIntent of ours.
const ourRow = `{"id":"pi_2","object":"payment_intent","status":"succeeded","amount":1000,"amount_received":1000,` +
	`"currency":"eur","created":1600000000,` +
	`"latest_charge":null,"metadata":{"kasse_service":"kasse","kasse_order_id":"order-1"}}`

// TestRowsAreNotDropped: an unreadable row is never left out of a list that then counts as complete.
func TestRowsAreNotDropped(t *testing.T) {
	ctx := t.Context()
	paid := func(refunds, disputed string) string {
		return strings.Replace(
			ourRow, `"latest_charge":null`,
			`"latest_charge":{"id":"ch_1","disputed":`+disputed+`,"refunds":{"data":[`+refunds+`]}}`, 1,
		)
	}
	for name, bodies := range map[string]map[string]string{
		"a refund without an id": {
			"/v1/payment_intents/pi_2": paid(`{"object":"refund","amount":500,"status":"succeeded"}`, "false"),
		},
		"a refund of another shape": {
			"/v1/payment_intents/pi_2": paid(`{"id":"re_1","object":"refund_v2","amount":500}`, "false"),
		},
		"a dispute of another shape": {
			"/v1/payment_intents/pi_2": paid("", "true"),
			"/v1/disputes":             `{"data":[{"id":"dp_1","object":"dispute_v2"}]}`,
		},
		"an amount that is an object": {
			"/v1/payment_intents/pi_2": paid(`{"id":"re_1","object":"refund","amount":{}}`, "false"),
		},
	} {
		_, err := listsThat(t, bodies).RetrievePayment(ctx, "pi_2")
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Code != payment.CodeStripeError {
			t.Errorf("%s: the read returned %v, want %s", name, err, payment.CodeStripeError)
		}
	}
	for name, row := range map[string]string{
		"an unknown status":      strings.Replace(ourRow, `"succeeded"`, `"paused"`, 1),
		"an amount that is text": strings.Replace(ourRow, `"amount":1000`, `"amount":"1000"`, 1),
		"metadata with a number": strings.Replace(ourRow, `"kasse_order_id"`, `"n":1,"kasse_order_id"`, 1),
		"another's unknown status": strings.Replace(
			strings.Replace(ourRow, `"succeeded"`, `"paused"`, 1), `"kasse_service":"kasse"`,
			`"kasse_service":"other"`, 1,
		),
	} {
		ours := !strings.HasPrefix(name, "another's")
		g := listsThat(t, map[string]string{
			"/v1/payment_intents": `{"data":[` + row + `,` + strings.ReplaceAll(ourRow, "pi_2", "pi_3") + `]}`,
		})
		page, err := g.ListPayments(ctx, time.Unix(1, 0), "")
		if err != nil || len(page.Items) != map[bool]int{true: 2, false: 1}[ours] ||
			(page.Items[0].Unreadable != "") != ours || page.Items[len(page.Items)-1].ID != "pi_3" {
			t.Errorf("%s: listed %+v, %v", name, page.Items, err)
		}
		found, err := g.FindPayments(ctx, "order-1", "", time.Unix(1, 0), time.Unix(2, 0))
		if (err != nil) != ours || (!ours && len(found) != 1) {
			t.Errorf("%s: found %+v, %v", name, found, err)
		}
	}
}

// TestOddReversalsAreListed: an unreadable refund or dispute causes a read of its payment and does not hide
// other rows.
func TestOddReversalsAreListed(t *testing.T) {
	rows := `{"data":[{"id":"re_1","status":7,"created":"now","payment_intent":"pi_1"},{"id":"re_2","status":null,` +
		`"created":5,"payment_intent":{"id":"pi_2"}},` +
		`{"id":"re_3","payment_intent":null},{"payment_intent":"pi_4"}]}`
	page, err := listsThat(t, map[string]string{"/v1/refunds": rows}).ListRefunds(t.Context(), time.Unix(1, 0), "")
	var ids []string
	for _, g := range page.Items {
		ids = append(ids, string(g.Payment))
	}
	if err != nil || strings.Join(ids, " ") != "pi_1 pi_2 pi_4" {
		t.Fatalf("listed %v, %v", ids, err)
	}
}
