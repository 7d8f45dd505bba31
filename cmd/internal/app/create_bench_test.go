package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// BenchmarkCreate opens a payment for a new order, through all but net/http's server, on a real Redis. Stripe is a
// connection that answers without an allocation, so that only Kasse's are counted, with those of its HTTP client.
// With a customer there are two calls of Stripe.
func BenchmarkCreate(b *testing.B) {
	for name, customer := range map[string]string{"guest": "", "customer": `,"customer":"cus_Qx81mzS2vNwR4t"`} {
		b.Run(name, func(b *testing.B) {
			a := benchedAt(b, quietStripe(b), true, true)
			body := bytes.NewReader(nil)
			create := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/payments", nil)
			create.Header.Set("Authorization", "Bearer "+testKey)
			create.Header.Set("Content-Type", "application/json")
			create.Body = io.NopCloser(body)
			text := []byte(nil)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				text = fmt.Appendf(text[:0], `{"order_id":"bench-%d","amount":4200,"currency":"eur"%s}`, n, customer)
				body.Reset(text)
				create.ContentLength = int64(len(text))
				answer := counted{header: http.Header{}}
				a.public.ServeHTTP(&answer, create)
				if answer.status != http.StatusCreated {
					b.Fatal(answer.status)
				}
			}
		})
	}
}

// counted is an answer of which the status is kept.
type counted struct {
	header http.Header
	status int
}

func (c *counted) Header() http.Header       { return c.header }
func (*counted) Write(p []byte) (int, error) { return len(p), nil }
func (c *counted) WriteHeader(status int)    { c.status = status }

// quietStripe answers the two calls of a create, and returns its base URL.
func quietStripe(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go answerCreates(c)
		}
	}()
	return "http://" + listener.Addr().String()
}

// answerCreates serves one connection until it ends.
func answerCreates(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	body, answer, head := make([]byte, 4096), make([]byte, 0, 8192), make([]byte, 0, 512)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		session := bytes.Contains(line, []byte("customer_sessions"))
		for len(line) > 2 { // to the empty line
			if line, err = in.ReadSlice('\n'); err != nil {
				return
			}
		}
		form := readChunks(in, body[:0])
		answer = append(answer[:0], sessionAnswer...)
		if !session {
			answer = appendIntent(answer[:0], form)
		}
		head = append(head[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_bench\r\n"+
			"Date: Sat, 28 Nov 2026 07:00:00 GMT\r\nContent-Length: "...)
		head = append(strconv.AppendInt(head, int64(len(answer)), 10), "\r\n\r\n"...)
		if _, err := c.Write(append(head, answer...)); err != nil {
			return
		}
	}
}

// readChunks appends the body of a request in chunks, as stripe-go sends it.
func readChunks(in *bufio.Reader, body []byte) []byte {
	for {
		line, err := in.ReadSlice('\n')
		size := 0
		for _, digit := range bytes.TrimSpace(line) {
			size = size<<4 + bytes.IndexByte([]byte("0123456789abcdef"), digit)
		}
		start := len(body)
		body = body[:start+size]
		if err == nil {
			_, err = io.ReadFull(in, body[start:])
		}
		if err == nil {
			_, err = in.Discard(2) // the end of the line
		}
		if err != nil || size == 0 {
			return body
		}
	}
}

// appendIntent appends the PaymentIntent that the form asks for, with all members that Stripe's answers have.
func appendIntent(to, form []byte) []byte {
	_, order, _ := bytes.Cut(form, []byte("kasse_order_id%5D="))
	order, _, _ = bytes.Cut(order, []byte("&"))
	customer := []byte("null")
	if _, named, ok := bytes.Cut(form, []byte("&customer=")); ok {
		named, _, _ = bytes.Cut(named, []byte("&"))
		customer = append(append(append(customer[:0], '"'), named...), '"')
	}
	_, number, _ := bytes.Cut(order, []byte("-"))
	for _, part := range intentAnswer {
		switch part {
		case "NUMBER":
			to = append(to, number...)
		case "ORDER":
			to = append(to, order...)
		case "CUSTOMER":
			to = append(to, customer...)
		default:
			to = append(to, part...)
		}
	}
	return to
}

var intentAnswer = []string{
	`{"id":"pi_3Qbench`, "NUMBER", `","object":"payment_intent","amount":4200,"amount_capturable":0,` +
		`"amount_details":{"tip":{}},` +
		`"amount_received":0,"application":null,"application_fee_amount":null,"automatic_payment_methods":` +
		`{"allow_redirects":"always","enabled":true},"canceled_at":null,"cancellation_reason":null,"capture_method":` +
		`"automatic_async","client_secret":"pi_3Qbench`, "NUMBER", `_secret_k2Lm8vQzT4nR6yXwB1cD3eF5","confirmation_method":` +
		`"automatic","created":1795848000,"currency":"eur","customer":`, "CUSTOMER", `,"description":null,"invoice":null,` +
		`"last_payment_error":null,"latest_charge":null,"livemode":false,"metadata":{"kasse_service":"kasse",` +
		`"kasse_order_id":"`, "ORDER", `","kasse_attempt":"1","kasse_rev":"1795848000000"},"next_action":null,` +
		`"on_behalf_of":null,"payment_method":null,"payment_method_configuration_details":{"id":"pmc_1Qbench",` +
		`"parent":null},` +
		`"payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,` +
		`"request_three_d_secure":"automatic"},"link":{"persistent_token":null}},"payment_method_types":["card",` +
		`"link"],` +
		`"processing":null,"receipt_email":null,"review":null,"setup_future_usage":null,"shipping":null,` +
		`"source":null,` +
		`"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"requires_payment_method",` +
		`"transfer_data":null,"transfer_group":null}`,
}

const sessionAnswer = `{"object":"customer_session","client_secret":"cuss_secret_Rk2Lm8vQzT4nR6yXwB1cD3eF5gH7",` +
	`"components":` +
	`{"buy_button":{"enabled":false},"payment_element":{"enabled":true,"features":` +
	`{"payment_method_allow_redisplay_filters":` +
	`["always"],"payment_method_redisplay":"enabled","payment_method_redisplay_limit":3,"payment_method_remove":"disabled",` +
	`"payment_method_save":"disabled","payment_method_save_usage":null}},"pricing_table":{"enabled":false}},` +
	`"created":1795848000,"customer":"cus_Qx81mzS2vNwR4t","expires_at":1795849800,"livemode":false}`
