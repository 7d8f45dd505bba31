package stripe

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	oldSecret = "whsec_old_old_old_old_old"
	newSecret = "whsec_new_new_new_new_new"
)

// verifier returns a gateway that verifies signatures at noon, with two secrets.
func verifier() *Gateway {
	return New(Options{WebhookSecrets: []payment.Secret{newSecret, oldSecret}, Now: func() time.Time { return noon }})
}

// sign returns the signature header as Stripe sends it.
func sign(body, secret string, at time.Time) string { return stripesim.Sign(secret, at, []byte(body)) }

// TestSignatures: an event needs a signature by one of the secrets, made at most five minutes before or after now.
func TestSignatures(t *testing.T) {
	const body = `{"id":"evt_1","type":"customer.created"}`
	good := sign(body, newSecret, noon)
	for _, tt := range []struct {
		name, header string
		ok           bool
	}{
		{"the first secret", good, true},
		{"the second, while they are rotated", sign(body, oldSecret, noon), true},
		{"another secret", sign(body, "whsec_other", noon), false},
		{"an empty secret", sign(body, "", noon), false},
		{"of another body", sign(body+" ", newSecret, noon), false},
		{"five minutes old", sign(body, newSecret, noon.Add(-300*time.Second)), true},
		{"older", sign(body, newSecret, noon.Add(-301*time.Second)), false},
		{"five minutes ahead", sign(body, newSecret, noon.Add(300*time.Second)), true},
		{"further ahead", sign(body, newSecret, noon.Add(301*time.Second)), false},
		{"with an unknown scheme beside", good + ",v0=abc", true},
		{"with a second time, which is not signed", good + ",t=1", false},
		{"without a time", strings.SplitN(good, ",", 2)[1], false},
		{"without a signature", strings.SplitN(good, ",", 2)[0], false},
		{"a time that is not a number", "t=soon,v1=00", false},
		{"none", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := verifier().ParseEvent([]byte(body), tt.header)
			e, _ := err.(*payment.Error) //nolint:errorlint // ParseEvent does not wrap it
			if (err == nil) != tt.ok || (!tt.ok && (e == nil || e.Code != payment.CodeInvalidSignature)) {
				t.Fatal(err)
			}
		})
	}
}

// paymentEvent returns an event of a PaymentIntent with these members beside the required ones.
func paymentEvent(members string) string {
	return `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,` +
		`"api_version":"2024-06-20","livemode":false,` +
		`"request":"req_1","data":{"object":{"id":"pi_1","object":"payment_intent","status":"succeeded",` +
		`"amount":1000,"currency":"eur",` +
		`"created":1600000000` + members + `}}}`
}

var baseSnapshot = payment.Snapshot{Status: payment.Succeeded, Amount: 1000, Currency: "eur"}

// baseWith returns baseSnapshot after an edit.
func baseWith(edit func(*payment.Snapshot)) payment.Snapshot {
	s := baseSnapshot
	edit(&s)
	return s
}

// eventsOfAnyVersionCases are members of a PaymentIntent in different API versions.
var eventsOfAnyVersionCases = []struct {
	name, members string
	want          payment.Snapshot
}{
	{"a charge", `,"latest_charge":"ch_1"`, baseWith(func(s *payment.Snapshot) { s.Charge.ID = "ch_1" })},
	{
		"a charge, expanded", `,"latest_charge":{"id":"ch_1","object":"charge"}`,
		baseWith(func(s *payment.Snapshot) { s.Charge.ID = "ch_1" }),
	},
	{"no charge", `,"latest_charge":null`, baseSnapshot},
	{
		"before 2022-11-15: a list", `,"charges":{"data":[{"id":"ch_2"},{"id":"ch_1"}]}`,
		baseWith(func(s *payment.Snapshot) { s.Charge.ID = "ch_2" }),
	},
	{"before 2022-11-15: an empty list", `,"charges":{"data":[]}`, baseSnapshot},
	{"neither: unknown, not none", ``, baseWith(func(s *payment.Snapshot) { s.Charge.Unknown = true })},
	{
		"a customer", `,"latest_charge":null,"customer":"cus_1"`,
		baseWith(func(s *payment.Snapshot) { s.Customer = "cus_1" }),
	},
	{
		"a customer, expanded", `,"latest_charge":null,"customer":{"id":"cus_1"}`,
		baseWith(func(s *payment.Snapshot) { s.Customer = "cus_1" }),
	},
	{
		"a failure",
		`,"latest_charge":null,"last_payment_error":{"code":"card_declined","decline_code":"lost_card",` +
			`"charge":"ch_1","message":"…"}`,
		baseWith(func(s *payment.Snapshot) {
			s.Failure = &payment.Failure{Code: "card_declined", DeclineCode: "lost_card", Charge: "ch_1"}
		}),
	},
	{
		"money",
		`,"latest_charge":null,"amount_received":900,"amount_capturable":100,"capture_method":"manual",` +
			`"setup_future_usage":"off_session"`,
		baseWith(func(s *payment.Snapshot) {
			s.AmountReceived, s.AmountCapturable = 900, 100
			s.CaptureMethod, s.SetupFutureUsage = "manual", "off_session"
		}),
	},
	{
		"metadata, and unknown members",
		`,"latest_charge":null,"metadata":{"a":"b"},"brand_new":{"x":[1]}`,
		baseWith(func(s *payment.Snapshot) { s.Metadata = map[string]string{"a": "b"} }),
	},
}

// TestEventsOfAnyVersion: events are decoded in every API version.
func TestEventsOfAnyVersion(t *testing.T) {
	for _, tt := range eventsOfAnyVersionCases {
		t.Run(tt.name, func(t *testing.T) {
			n := decodeEvent([]byte(paymentEvent(tt.members)))
			if n.Unreadable != "" || n.Intent == nil {
				t.Fatalf("decoded as %+v", n)
			}
			if diff := cmp.Diff(tt.want, n.Intent.Snapshot); diff != "" {
				t.Fatal(diff)
			}
			if n.ID != "evt_1" || n.Created != 1700000000 || n.Intent.ID != "pi_1" || n.Intent.Created != 1600000000 ||
				n.APIVersion != "2024-06-20" {
				t.Fatalf("decoded as %+v", n)
			}
		})
	}
}

// TestBadEvents: signed events that are invalid become unreadable ones, and those that are not for us are ignored.
func TestBadEvents(t *testing.T) {
	event := paymentEvent(`,"latest_charge":null`)
	for _, tt := range []struct {
		name, body string
		unreadable bool
	}{
		{"not JSON", `{`, true},
		{"an array", `[]`, true},
		{"no type: not ours", `{"id":"evt_1"}`, false},
		{"another type", `{"id":"evt_1","type":"invoice.paid","data":null}`, false},
		{
			"a thin event",
			`{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter","created":"2026-11-23T12:00:00Z"}`,
			false,
		},
		{"data is null", `{"id":"evt_1","type":"payment_intent.succeeded","created":1,"data":null}`, true},
		{"no data", `{"id":"evt_1","type":"payment_intent.succeeded","created":1}`, true},
		{"another object", strings.Replace(event, `"payment_intent","status"`, `"charge","status"`, 1), true},
		{"an id for a path", strings.Replace(event, `"pi_1"`, `"pi_1/../../customers"`, 1), true},
		{"an unknown status", strings.Replace(event, `"succeeded","amount"`, `"paused","amount"`, 1), true},
		{"an amount that is text", strings.Replace(event, `"amount":1000`, `"amount":"1000"`, 1), true},
		{"a time that is text", strings.Replace(event, `"created":1700000000`, `"created":"now"`, 1), true},
		{"no time", strings.Replace(event, `"created":1700000000,`, ``, 1), true},
		{"no event id", strings.Replace(event, `"evt_1"`, `""`, 1), true},
		{"deep", paymentEvent(`,"x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := decodeEvent([]byte(tt.body))
			if (n.Unreadable != "") != tt.unreadable || n.Intent != nil {
				t.Fatalf("decoded as %+v", n)
			}
		})
	}
	connected := strings.Replace(event, `"livemode":false`, `"livemode":true,"account":"acct_1"`, 1)
	if n := decodeEvent([]byte(connected)); !n.Connected || !n.Livemode {
		t.Fatalf("decoded as %+v", n)
	}
}

// FuzzParseEvent: a PaymentIntent decoded from any signed body can be stored.
func FuzzParseEvent(f *testing.F) {
	f.Add(paymentEvent(`,"latest_charge":"ch_1"`))
	f.Add(paymentEvent(`,"charges":{"data":[{"id":"ch_1"}]},"customer":{"id":"cus_1"},"last_payment_error":{}`))
	f.Add(`{"id":"evt_1","type":"payment_intent.created","data":null}`)
	g := verifier()
	f.Fuzz(func(t *testing.T, body string) {
		n, err := g.ParseEvent([]byte(body), sign(body, newSecret, noon))
		if err != nil {
			t.Fatal(err)
		}
		if n.Intent != nil && (!n.Intent.ID.Valid() || !n.Intent.Status.Known() || n.Created <= 0 ||
			n.Unreadable != "") {
			t.Fatalf("decoded as %+v", n)
		}
	})
}

// FuzzSignature: only a header with a right signature is accepted, and no header causes a panic.
func FuzzSignature(f *testing.F) {
	const body = `{}`
	f.Add("t=1,v1=00")
	f.Add(sign(body, "whsec_other", noon))
	f.Add("t=,v1=,t=9223372036854775807,v1=ff")
	g, right := verifier(), sign(body, newSecret, noon)
	f.Fuzz(func(t *testing.T, header string) {
		_, err := g.ParseEvent([]byte(body), header)
		at := strings.Index(right, "v1=")
		valid := strings.Contains(header, right[at:]) || strings.Contains(header, sign(body, oldSecret, noon)[at:])
		if err == nil && !valid {
			t.Fatalf("%q is accepted", header)
		}
	})
}

// TestThinEvents: the decoded thin event of one of our types has the id of its payment.
func TestThinEvents(t *testing.T) {
	thin := func(kind, more string) string {
		return `{"id":"evt_65_1","object":"v2.core.event","type":"` + kind +
			`","created":"2026-11-23T12:00:00.123Z","livemode":true` + more + `}`
	}
	const related = `,"related_object":{"id":"pi_1","type":"payment_intent","url":"/v1/payment_intents/pi_1"}`
	n := decodeEvent([]byte(thin("v1.payment_intent.succeeded", related)))
	want := payment.StripeEvent{
		ID: "evt_65_1", Type: "v1.payment_intent.succeeded", Created: noon.Unix(), Livemode: true, Thin: true,
		Payment: "pi_1",
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{
		thin("v1.refund.updated", `,"related_object":{"id":"re_1","type":"refund"}`),
		thin("v1.payment_intent.succeeded", ""),
		thin("v1.payment_intent.succeeded", `,"related_object":{"id":"pi_1/..","type":"payment_intent"}`),
		thin("v1.payment_intent.succeeded", `,"related_object":[]`),
	} {
		if n := decodeEvent([]byte(body)); !n.Thin || n.Payment != "" || n.Unreadable != "" {
			t.Errorf("%s is decoded as %+v", body, n)
		}
	}
	other := thin("v1.payment_intent.succeeded", related+`,"context":"acct_2"`)
	if n := decodeEvent([]byte(other)); n.Context != "acct_2" {
		t.Errorf("decoded as %+v", n)
	}
	if n := decodeEvent([]byte(thin("v1.billing.meter.error_report_triggered", ""))); n.Thin {
		t.Errorf("a thin event of another type is decoded as %+v", n)
	}
}

// TestUndecodableEventsNameTheirPayment: the payment of an event is read even if other members are invalid.
func TestUndecodableEventsNameTheirPayment(t *testing.T) {
	event := paymentEvent(`,"latest_charge":null,"metadata":{"kasse_service":"kasse"}`)
	odd := func(old, with string) string { return strings.Replace(event, old, with, 1) }
	of := func(object string) string {
		return `{"id":"evt_1","type":"refund.updated","created":1,"data":{"object":` + object + `}}`
	}
	for _, tt := range []struct {
		name, body string
		id         payment.ID
		claimed    string
	}{
		{"an unknown status", odd(`"succeeded","amount"`, `"paused","amount"`), "pi_1", "kasse"},
		{"an amount that is text", odd(`"amount":1000`, `"amount":"1000"`), "pi_1", "kasse"},
		{"a time that is text", odd(`"created":1700000000`, `"created":"now"`), "pi_1", "kasse"},
		{"metadata with numbers", odd(`"kasse_service":"kasse"`, `"kasse_service":7`), "pi_1", ""},
		{"metadata that is a list", odd(`{"kasse_service":"kasse"}`, `[]`), "pi_1", ""},
		{"an id for a path", odd(`"pi_1"`, `"pi_1/../x"`), "", ""},
		{"a refund", of(`{"object":"refund","id":"re_1","amount":"1","payment_intent":"pi_1"}`), "pi_1", ""},
		{
			"a refund, expanded",
			of(`{"object":"refund","id":"re_1","amount":"1","payment_intent":{"id":"pi_1"}}`), "pi_1", "",
		},
		{"a refund of none", of(`{"object":"refund","id":"re_1","amount":"1","payment_intent":null}`), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := decodeEvent([]byte(tt.body))
			if n.Unreadable == "" || n.Payment != tt.id || n.Claimed != tt.claimed {
				t.Fatalf("decoded as %+v", n)
			}
		})
	}
	n := decodeEvent([]byte(odd(`"created":1700000000`, `"created":"now","account":"acct_1"`)))
	if !n.Connected {
		t.Fatal("the event of a Connect account is not marked Connected")
	}
}
