package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// made holds the templates of copies, by state.
type made struct {
	paid, open, refunded []*template
}

// source is an order as stored in Redis, from which templates are made.
type source struct {
	id     payment.OrderID
	fields map[string]string
	events []payment.FeedEvent
	lasts  time.Duration // until the order expires; 0: it does not expire
}

func (s source) template() (*template, error) {
	o, err := store.Decode(payment.Ref{Order: s.id}, s.fields)
	if err != nil {
		return nil, err
	}
	return newTemplate(o, s.events, s.lasts), nil
}

// sources holds the orders that Kasse has made for this program, by state.
type sources struct {
	paid, open, refunded []source
	attempts             map[int]source // closed orders, by number of attempts
}

// templates makes the templates of one worker.
func (all sources) templates() (m made, err error) {
	for _, kind := range []struct {
		of   []source
		into *[]*template
	}{{all.paid, &m.paid}, {all.open, &m.open}, {all.refunded, &m.refunded}} {
		for _, s := range kind.of {
			t, err := s.template()
			if err != nil {
				return m, err
			}
			*kind.into = append(*kind.into, t)
		}
	}
	return m, nil
}

// templatesOfEach is the number of orders that Kasse opens for each state. They have different ids, which the stored
// form packs in the same way.
const templatesOfEach = 4

// makeSources opens orders through Kasse, changes their payments at the simulated Stripe and delivers the events. When
// Kasse has made its reads, makeSources copies the stored orders from Redis. For each of the counts it makes one closed
// order with this number of attempts.
func (b *bench) makeSources(ctx context.Context, counts ...int) (sources, error) {
	all := sources{attempts: map[int]source{}}
	env, err := b.newEnvironment(ctx, "--appendonly", "no")
	if err != nil {
		return all, err
	}
	defer env.Close()
	w := &orderMaker{environment: env}
	if w.sim, w.stripe, w.customer, err = env.seededStripe(ctx, 1); err != nil {
		return all, err
	}
	if err := env.initRedis(ctx); err != nil {
		return all, err
	}
	kasse, err := env.kasse(ctx, map[string]string{"STRIPE_API_BASE": w.stripe, "STRIPE_READ_RPS": "100"})
	if err != nil {
		return all, err
	}
	w.shop = "http://" + kasse.address
	for _, kind := range []struct {
		into  *[]source
		steps []string
	}{
		{&all.open, nil},
		{&all.paid, []string{"processing", "succeeded"}},
		{&all.refunded, []string{"processing", "succeeded", "refund"}},
	} {
		for range templatesOfEach {
			t, err := w.make(ctx, kind.steps)
			if err != nil {
				return all, err
			}
			*kind.into = append(*kind.into, t)
		}
	}
	for _, count := range counts {
		if all.attempts[count], err = w.makeClosed(ctx, count); err != nil {
			return all, err
		}
	}
	return all, nil
}

// orderMaker makes orders through a running Kasse.
type orderMaker struct {
	*environment
	sim                    *stripesim.Server
	shop, stripe, customer string
	orders                 int
}

func (w *orderMaker) newOrder() payment.OrderID {
	w.orders++
	return payment.OrderID(fmt.Sprintf("TPL%05d", w.orders))
}

// make opens one order, and applies the steps to its payment.
func (w *orderMaker) make(ctx context.Context, steps []string) (source, error) {
	order := w.newOrder()
	id, err := w.open(ctx, order, "")
	if err != nil {
		return source{}, err
	}
	for i, step := range steps {
		if step == "refund" {
			if _, err := w.sim.Refund(string(id), 0); err != nil {
				return source{}, err
			}
			if err := w.deliverRefund(ctx, id); err != nil {
				return source{}, err
			}
			continue
		}
		if err := w.sim.SetStatus(string(id), step); err != nil {
			return source{}, err
		}
		if err := w.deliverIntent(ctx, id, step, time.Now().Add(time.Duration(2*i)*time.Second)); err != nil {
			return source{}, err
		}
	}
	return w.take(ctx, order)
}

// makeClosed makes an order with the given number of attempts. Each is canceled, so the order is closed.
func (w *orderMaker) makeClosed(ctx context.Context, attempts int) (source, error) {
	order := w.newOrder()
	for range attempts {
		id, err := w.open(ctx, order, `,"reopen":true`)
		if err == nil {
			_, err = w.call(ctx, "/v1/payments/"+string(id)+"/cancel", "", http.StatusOK)
		}
		if err != nil {
			return source{}, err
		}
	}
	return w.take(ctx, order)
}

func (w *orderMaker) open(ctx context.Context, order payment.OrderID, more string) (payment.ID, error) {
	a, err := w.call(ctx, "/v1/payments", createBody(string(order), w.customer, more), http.StatusCreated)
	if err != nil {
		return "", err
	}
	var opened struct {
		Payment payment.ID `json:"payment_intent"`
	}
	return opened.Payment, json.Unmarshal(a.Body, &opened)
}

func createBody(order, customer, more string) string {
	return fmt.Sprintf(`{"order_id":"%s","amount":4200,"currency":"eur","customer":"%s"%s}`, order, customer, more)
}

func (w *orderMaker) call(ctx context.Context, path, body string, status int) (testenv.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey, "Content-Type": "application/json"}
	a, err := testenv.Call(ctx, http.DefaultClient, http.MethodPost, w.shop+path, header, body)
	if err == nil && a.Status != status {
		err = fmt.Errorf("POST %s was answered with %d: %s", path, a.Status, a.Body)
	}
	return a, err
}

// deliverIntent delivers an event with the current state of a payment at Stripe.
func (w *orderMaker) deliverIntent(ctx context.Context, id payment.ID, status string, at time.Time) error {
	intent, err := w.intent(ctx, id)
	if err != nil {
		return err
	}
	p := payer{shop: w.shop}
	return p.deliver(ctx, "payment_intent."+status, intent, at.Unix())
}

// intent returns a PaymentIntent from Stripe, as JSON.
func (w *orderMaker) intent(ctx context.Context, id payment.ID) (string, error) {
	return intentAt(ctx, w.stripe, string(id))
}

func intentAt(ctx context.Context, stripe, id string) (string, error) {
	shown, err := testenv.Call(ctx, http.DefaultClient, http.MethodGet, stripe+"/v1/payment_intents/"+id,
		map[string]string{"Authorization": "Bearer sk_test_bench"}, "")
	if err != nil {
		return "", err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, shown.Body)
	return compact.String(), err
}

func (w *orderMaker) deliverRefund(ctx context.Context, id payment.ID) error {
	intent, err := w.intent(ctx, id)
	if err != nil {
		return err
	}
	var of struct {
		Charge string `json:"latest_charge"`
	}
	if err := json.Unmarshal([]byte(intent), &of); err != nil {
		return err
	}
	p := payer{shop: w.shop}
	at := time.Now().Add(5 * time.Second).Unix()
	return p.deliver(ctx, "refund.created", refundObject(longID("re"), of.Charge, string(id), 4200, at), at)
}

func refundObject(id, charge, payment string, amount, at int64) string {
	return fmt.Sprintf(`{"id":"%s","object":"refund","amount":%d,"charge":"%s","created":%d,"currency":"eur",`+
		`"metadata":{},"payment_intent":"%s","reason":"requested_by_customer","status":"succeeded"}`,
		id, amount, charge, at, payment)
}

// take waits until no read is queued, and copies the order and its events from Redis.
func (w *orderMaker) take(ctx context.Context, id payment.OrderID) (source, error) {
	prefix := fmt.Sprintf("kasse:{p%d}:", partitionOf(id))
	client, s := w.Redis.Client, source{id: id}
	err := wait.For(ctx, func() error {
		waiting, err := client.ZCard(ctx, prefix+"reads").Result()
		if err != nil || waiting > 0 {
			return errors.Join(fmt.Errorf("%d reads are queued", waiting), err)
		}
		s.fields, err = client.HGetAll(ctx, prefix+"order:"+string(id)).Result()
		return err
	})
	if err != nil {
		return s, err
	}
	if s.events, err = eventsOf(ctx, client, prefix+"events", id); err != nil {
		return s, err
	}
	s.lasts, err = client.PTTL(ctx, prefix+"order:"+string(id)).Result()
	s.lasts = max(s.lasts, 0)
	return s, err
}

// eventsOf returns an order's events, as they are in the stream.
func eventsOf(
	ctx context.Context, client *redis.Client, stream string, id payment.OrderID,
) ([]payment.FeedEvent, error) {
	entries, err := client.XRange(ctx, stream, "-", "+").Result()
	if err != nil {
		return nil, err
	}
	var events []payment.FeedEvent
	for _, entry := range entries {
		data, _ := entry.Values["data"].(string)
		if !strings.Contains(data, `"order_id":`+strconv.Quote(string(id))) {
			continue
		}
		if len(entry.Values) != 3 {
			return nil, fmt.Errorf("the entry %s has %d fields, want 3", entry.ID, len(entry.Values))
		}
		events = append(events, payment.FeedEvent{
			Entry: entry.ID, ID: entry.Values["id"].(string), Type: entry.Values["type"].(string), Data: []byte(data),
		})
	}
	return events, nil
}
