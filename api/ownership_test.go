package api_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/store/storetest"
)

// foreignRequest is a request of a forbidden payment or order, or of a missing one.
type foreignRequest struct {
	request // ID is replaced by a forbidden or a missing id
	order   bool
}

// foreignPayments are requests of payments, with the credentials of the order shop-3.
func (w *watched) foreignPayments(own, other opened) map[string]foreignRequest {
	token := w.token(claims{"order_id": "shop-3"})
	reader := w.token(claims{"order_id": "shop-3", "amount": nil, "currency": nil})
	absent := w.token(claims{"order_id": "shop-4"})
	guess := other.PaymentIntent + "_secret_" + strings.Repeat("a", 25)
	held := map[string]string{"If-None-Match": "*"}
	const read, session = "GET /v1/payments/ID", "POST /v1/payments/ID/customer-session"
	all := map[string]foreignRequest{}
	for name, r := range map[string]request{
		"payment by another's client secret":         {line: read, token: own.ClientSecret},
		"payment by a guessed client secret":         {line: read, token: guess},
		"payment by another order's token":           {line: read, token: token},
		"payment by another order's reading token":   {line: read, token: reader},
		"payment by the token of an order not there": {line: read, token: absent},
		"payment without its body":                   {line: "HEAD /v1/payments/ID", token: token},
		"payment as it was seen before":              {line: read, token: token, header: held},
		"payment, to be held":                        {line: read + "?wait=25", token: token, header: held},
		"payment, to be held, by a client secret":    {line: read + "?wait=25", token: own.ClientSecret, header: held},
		"session by another order's token":           {line: session, token: token},
		"session by another order's reading token":   {line: session, token: reader},
		"session with features": {
			line: session, token: token, body: `{"customer_session":{"save":true,"save_usage":"off_session"}}`,
		},
		"session by another's client secret": {line: session, token: own.ClientSecret},
	} {
		all[name] = foreignRequest{request: r}
	}
	return all
}

// foreignOrders are requests of orders, with the credentials of the order shop-3.
func (w *watched) foreignOrders(own opened) map[string]foreignRequest {
	token := w.token(claims{"order_id": "shop-3"})
	reader := w.token(claims{"order_id": "shop-3", "amount": nil, "currency": nil})
	const read = "GET /v1/orders/ID"
	return map[string]foreignRequest{
		"order by another order's token":         {request{line: read, token: token}, true},
		"order by another order's reading token": {request{line: read, token: reader}, true},
		"order without its body":                 {request{line: "HEAD /v1/orders/ID", token: token}, true},
		"order by a client secret":               {request{line: read, token: own.ClientSecret}, true},
	}
}

// TestForeignIsMissing: a forbidden object and a missing one cannot be distinguished, neither by the response
// nor by the work for it.
func TestForeignIsMissing(t *testing.T) {
	w := newWatched(t)
	fresh, canceled, own := w.create("shop-1"), w.create("shop-2"), w.create("shop-3")
	if answer := w.send(
		request{line: "POST /v1/payments/" + canceled.PaymentIntent + "/cancel", token: fullKey},
	); answer.status != http.StatusOK {
		t.Fatalf("cancel: %d %s", answer.status, answer.body)
	}
	tests := w.foreignPayments(own, fresh)
	maps.Copy(tests, w.foreignOrders(own))
	for name, test := range tests {
		missing, foreign := "pi_missing0000000000000000", []string{fresh.PaymentIntent, canceled.PaymentIntent}
		if test.order {
			missing, foreign = "shop-9", []string{"shop-1", "shop-2"}
		}
		for _, id := range foreign {
			t.Run(name+" "+id, func(t *testing.T) {
				w.t = t
				w.isMissing(test.request, id, missing)
			})
		}
	}
}

func (w *watched) isMissing(r request, foreign, missing string) {
	w.t.Helper()
	dump, calls, pattern := w.dump(), len(w.stripe.Requests()), r.line
	r.line = strings.Replace(pattern, "ID", missing, 1)
	w.sends(r) // Redis has to learn the script
	want, wantCommands := w.sends(r)
	r.line = strings.Replace(pattern, "ID", foreign, 1)
	got, gotCommands := w.sends(r)
	if want.status != http.StatusNotFound && want.status != http.StatusForbidden || got.status != want.status {
		w.t.Errorf("foreign is %d, missing is %d", got.status, want.status)
	}
	if masked := requestIDs.ReplaceAllString(got.body, ""); masked != requestIDs.ReplaceAllString(want.body, "") ||
		len(got.body) != len(want.body) {
		w.t.Errorf("foreign is %s, missing is %s", got.body, want.body)
	}
	for _, headers := range []http.Header{got.header, want.header} {
		headers.Del("X-Request-Id")
		headers.Del("Date")
	}
	if !maps.EqualFunc(got.header, want.header, slices.Equal) {
		w.t.Errorf("foreign has %v, missing has %v", got.header, want.header)
	}
	slices.Sort(gotCommands)
	slices.Sort(wantCommands)
	if !slices.Equal(gotCommands, wantCommands) {
		w.t.Errorf("foreign costs %v, missing costs %v", gotCommands, wantCommands)
	}
	w.forgetQuestions()
	w.checkUntouched(dump, calls)
}

// TestKeptViewIsMissingToOthers: a view in the memory of the process saves no work of Redis for a caller that may
// not see it, so that such a caller waits as long as for a payment that does not exist.
func TestKeptViewIsMissingToOthers(t *testing.T) {
	url := storetest.RedisServer(t)
	w := &apiEnv{t: t, stripe: stripesim.New(stripesim.Options{Seed: 1}), logs: &lines{}, client: checkedClient(t)}
	t.Cleanup(w.stripe.Close)
	w.keys = w.connect(url)
	readers, err := store.ConnectReaders("single", url, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = readers.Close() })
	kept := store.New(
		w.keys,
		store.Options{Partitions: 2, Retention: 24 * time.Hour, EventRetention: 24 * time.Hour, Readers: readers},
	)
	if err := kept.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	svc := service.New(
		kept, w.newGateway(stripeTimeout),
		service.Options{
			Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: 10, Logger: discard(),
		},
	)
	w.api = httptest.NewServer(api.New(svc, w.options(discard()))) // no background work runs, except cache invalidation
	var listening sync.WaitGroup
	t.Cleanup(listening.Wait)
	listening.Go(func() { kept.Listen(t.Context()) })
	t.Cleanup(w.api.Close)
	foreign, own := w.create("shop-1"), w.create("shop-2")
	otherToken := w.token(claims{"order_id": "shop-3"})
	for name, token := range map[string]string{"order token": otherToken, "client secret": own.ClientSecret} {
		missing := w.redisWork(request{line: "GET /v1/payments/pi_missing0000000000000000", token: token})
		hits := kept.CacheStats().Hits
		for deadline := time.Now().Add(time.Minute); kept.CacheStats().Hits == hits && time.Now().Before(deadline); {
			w.send(
				request{line: "GET /v1/payments/" + foreign.PaymentIntent, token: fullKey},
			).into(t, http.StatusOK, &opened{})
		}
		hits = kept.CacheStats().Hits
		if work := w.redisWork(
			request{line: "GET /v1/payments/" + foreign.PaymentIntent, token: token},
		); !maps.Equal(work, missing) {
			t.Errorf("%s: a kept view costs %v, a missing payment costs %v", name, work, missing)
		}
		if kept.CacheStats().Hits == hits {
			t.Errorf("%s: the view was not in memory", name)
		}
	}
}

// TestSessionIsForThePaymentsCustomer: no caller names another customer, and the holder of a client secret gets no
// session.
func TestSessionIsForThePaymentsCustomer(t *testing.T) {
	w := newWatched(t)
	ada, bob := w.customer(), w.customer()
	var made opened
	w.send(request{line: createLine, token: w.token(claims{"customer": ada})}).into(t, http.StatusCreated, &made)
	line := "POST /v1/payments/" + made.PaymentIntent + "/customer-session"
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, token := range []string{fullKey, w.token(nil)} {
		w.send(
			request{line: line, token: token, body: `{"customer":"` + bob + `"}`, bad: true},
		).says(t, http.StatusBadRequest, "invalid_request")
	}
	for _, token := range []string{made.ClientSecret, made.Session.ClientSecret} {
		answer := w.send(request{line: line, token: token})
		if answer.status != http.StatusForbidden && answer.status != http.StatusUnauthorized {
			t.Errorf("%.12s…: %d %s", token, answer.status, answer.body)
		}
	}
	w.checkUntouched(dump, calls)
	w.send(request{line: line, token: w.token(claims{"customer": bob})}).says(t, http.StatusConflict, "order_conflict")
	w.checkUntouched(dump, calls)
	w.send(request{line: line, token: w.token(claims{"customer": ada})}).into(t, http.StatusCreated, &opened{})
	if asked := w.stripe.Requests(); !strings.Contains(asked[len(asked)-1].Body, "customer="+ada) {
		t.Errorf("Stripe was asked for %s", asked[len(asked)-1].Body)
	}
}
