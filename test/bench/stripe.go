package main

import (
	"fmt"
	"strconv"
	"time"

	"kasse/service/stripe/stripesim"
)

const hookSecret = "whsec_bench_1234567890_1234567890"

// paymentID returns the id of the n-th payment.
func paymentID(n int) string { return fmt.Sprintf("pi_3Bench%018d", n) }

// clientSecret returns the client secret of the n-th payment.
func clientSecret(n int) string { return fmt.Sprintf("%s_secret_%025d", paymentID(n), n) }

// event returns the body of a webhook about the n-th payment, in Stripe's form. Its metadata has only Kasse's keys.
func event(n int, kind, status string, created time.Time) []byte {
	return fmt.Appendf(nil, `{"id":"evt_3Bench%d%s","object":"event","api_version":"2024-06-20","created":%d,`+
		`"livemode":false,"pending_webhooks":1,`+
		`"request":{"id":"req_bench","idempotency_key":null},"type":"payment_intent.%s","data":{"object":`+
		`{"id":"%s","object":"payment_intent","amount":4200,`+
		`"amount_capturable":0,"amount_details":{"tip":{}},"amount_received":%d,"application":null,`+
		`"application_fee_amount":null,`+
		`"automatic_payment_methods":{"allow_redirects":"always","enabled":true},"canceled_at":null,`+
		`"cancellation_reason":null,"capture_method":"automatic_async",`+
		`"client_secret":"%s","confirmation_method":"automatic","created":%d,"currency":"eur",`+
		`"customer":"cus_Bench%d","description":null,"invoice":null,`+
		`"last_payment_error":null,"latest_charge":null,"livemode":false,"metadata":{"kasse_service":"kasse",`+
		`"kasse_order_id":"order-%d","kasse_attempt":"1","kasse_rev":"%d"},`+
		`"next_action":null,"on_behalf_of":null,"payment_method":null,"payment_method_options":{"card":`+
		`{"installments":null,"mandate_options":null,"network":null,"request_three_d_secure":"automatic"}},`+
		`"payment_method_types":["card","link"],"processing":null,"receipt_email":null,"review":null,`+
		`"setup_future_usage":null,"shipping":null,"source":null,`+
		`"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"%s","transfer_data":null,`+
		`"transfer_group":null}}}`,
		n, strconv.FormatInt(created.Unix(), 36)+kind, created.Unix(), kind, paymentID(n), received(status),
		clientSecret(n), opened, n, n, int64(opened)*1000, status)
}

// opened is the creation time of every payment, in Unix seconds.
const opened = 1_790_000_000

func received(status string) int {
	if status == "succeeded" {
		return 4200
	}
	return 0
}

// delivery returns the whole request of a webhook, with Stripe's signature.
func delivery(body []byte) []byte {
	head := fmt.Appendf(nil, "POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\n"+
		"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nStripe-Signature: %s\r\n\r\n",
		len(body), stripesim.Sign(hookSecret, time.Now(), body))
	return append(head, body...)
}
