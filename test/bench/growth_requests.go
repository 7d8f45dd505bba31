package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
	"kasse/test/internal/testenv"
)

// start starts a server, and records how long it takes.
func (g *grown) start(ctx context.Context) error {
	took, err := g.serve(ctx, nil)
	g.note("Kasse ready after a start", "ms", perRequest, took)
	return err
}

// serve starts a server, and returns the milliseconds until it was ready.
func (g *grown) serve(ctx context.Context, more map[string]string) (float64, error) {
	began := time.Now()
	var err error
	g.server, err = g.StartKasse(ctx, g.program, settingsOfGrowth(g.stripe, more))
	return float64(time.Since(began).Microseconds()) / 1000, err
}

// run sends a load, and records its throughput, p99 and processor time.
func (g *grown) run(name string, send func() (load, error)) error {
	own, redis := processorTime(g.server.PID()), processorTime(g.Redis.Process.PID())
	l, err := send()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	own, redis = processorTime(g.server.PID())-own, processorTime(g.Redis.Process.PID())-redis
	each := func(spent time.Duration) float64 { return micros(spent) / float64(max(l.count(), 1)) }
	g.note(name, "req/s", perRequest, l.rate())
	g.note(name, "p99 ms", perRequest, micros(l.quantile(.99))/1000)
	g.note(name, "Kasse µs", perRequest, each(own))
	g.note(name, "Redis µs", perRequest, each(redis))
	return nil
}

// readOf returns a page's status request of the n-th copy.
func readOf(n int) []byte {
	name := nameOf(n)
	return fmt.Appendf(nil, "GET /v1/payments/%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\n\r\n",
		name.payment, name.secret)
}

func (g *grown) statusReads(ctx context.Context) error {
	hotReads := make([][]byte, min(hot, g.count))
	for i := range hotReads {
		hotReads[i] = readOf(i * (g.count / len(hotReads)))
	}
	err := g.run("status read, any order", func() (load, error) {
		dice := make([]*rand.Rand, connections)
		for i := range dice {
			dice[i] = rand.New(rand.NewPCG(uint64(i), 1))
		}
		return closedLoop(ctx, []string{g.server.Public}, g.length, func(connection, _ int) ([]byte, int) {
			return readOf(dice[connection].IntN(g.count)), http.StatusOK
		})
	})
	return errors.Join(err, g.run("status read, 1,000 orders", func() (load, error) {
		return closedLoop(ctx, []string{g.server.Public}, g.length, atRandom(hotReads, http.StatusOK))
	}))
}

// creations returns the number of orders to open.
func (g *grown) creations() int { return max(int(400*g.length.Seconds()), 40) }

func (g *grown) creates(ctx context.Context) error {
	requests := make([][]byte, g.creations())
	for i := range requests {
		requests[i] = postRequest("/v1/payments", createBody(fmt.Sprintf("NEW%05d", i), g.customer, ""))
	}
	var mu sync.Mutex
	return g.run("create", func() (load, error) {
		return collect(ctx, g.server.Public, fewConnections, requests, http.StatusCreated, func(body []byte) {
			var view struct {
				Order   string `json:"order_id"`
				Payment string `json:"payment_intent"`
			}
			if json.Unmarshal(body, &view) == nil {
				mu.Lock()
				defer mu.Unlock()
				g.carts = append(g.carts, cart{view.Order, view.Payment})
			}
		})
	})
}

func postRequest(path, body string, headers ...string) []byte {
	text := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: %d\r\n", path, testenv.BackendKey, len(body))
	for _, header := range headers {
		text = fmt.Appendf(text, "%s\r\n", header)
	}
	return append(text, "\r\n"+body...)
}

func (g *grown) webhooks(ctx context.Context) error {
	fresh := &pairs{}
	requests := fresh.batch(int(preparedRate * g.length.Seconds()))
	err := g.run("webhook, new orders", func() (load, error) {
		return closedLoop(ctx, []string{g.server.Public}, g.length, each(requests, http.StatusOK))
	})
	if err != nil {
		return err
	}
	old, err := g.oldRefunds(min(g.count, int(2000*g.length.Seconds())))
	if err != nil {
		return err
	}
	return g.run("webhook, old orders", func() (load, error) {
		return closedLoop(ctx, []string{g.server.Public}, time.Minute, each(old, http.StatusOK))
	})
}

// oldRefunds returns webhooks of the first refunds of paid copies, of all ages.
func (g *grown) oldRefunds(count int) ([][]byte, error) {
	requests := make([][]byte, 0, count)
	at := time.Now().Unix()
	for i := range count {
		n := i * (g.count / count)
		if !g.isPaid(n) {
			continue
		}
		object := refundObject(longID("re"), longID("ch"), string(nameOf(n).payment), 100, at)
		requests = append(requests, delivery(fmt.Appendf(nil, `{"id":"%s","object":"event","api_version":"2024-06-20",`+
			`"created":%d,"livemode":false,"type":"refund.created","data":{"object":%s}}`, longID("evt"), at, object)))
	}
	if len(requests) == 0 {
		return nil, errors.New("no copy is paid")
	}
	return requests, nil
}

// changes measures cancels and refunds of orders that were opened through Kasse. It leaves a third of them unchanged.
func (g *grown) changes(ctx context.Context) error {
	third := len(g.carts) / 3
	var cancels, refunds [][]byte
	for _, c := range g.carts[:third] {
		cancels = append(cancels, postRequest("/v1/payments/"+c.payment+"/cancel", ""))
	}
	for i, c := range g.carts[third : 2*third] {
		if err := g.sim.SetStatus(c.payment, "succeeded"); err != nil {
			return err
		}
		intent, err := intentAt(ctx, g.stripe, c.payment)
		if err != nil {
			return err
		}
		p := payer{shop: "http://" + g.server.Public}
		if err := p.deliver(ctx, "payment_intent.succeeded", intent, time.Now().Unix()); err != nil {
			return err
		}
		refunds = append(refunds, postRequest(
			"/v1/payments/"+c.payment+"/refunds", `{"amount":100}`, fmt.Sprint("Idempotency-Key: growth-", i),
		))
	}
	g.carts = g.carts[2*third:]
	return errors.Join(
		g.run("cancel", func() (load, error) {
			return collect(ctx, g.server.Public, fewConnections, cancels, http.StatusOK, func([]byte) {})
		}),
		g.run("refund", func() (load, error) {
			return collect(ctx, g.server.Public, fewConnections, refunds, http.StatusCreated, func([]byte) {})
		}),
	)
}

// pageTries is how often each page is requested.
const pageTries = 100

// pages measures pages of orders and of the feed, one request after the other.
func (g *grown) pages(ctx context.Context) error {
	middle := nameOf(g.count / 2)
	created := g.createdOf(g.count / 2)
	latest, err := g.get(ctx, "/v1/events?after=latest")
	if err != nil {
		return err
	}
	var page payment.FeedPage
	if err := json.Unmarshal(latest.Body, &page); err != nil {
		return err
	}
	for _, of := range []struct{ name, path string }{
		{"page of 20 orders, the newest", "/v1/orders"},
		{"page of 20 orders, from the middle", "/v1/orders?after=" + orderCursor(created, string(middle.order))},
		{"page of 20 orders, the oldest", "/v1/orders?after=" + orderCursor(g.createdOf(20), "z")},
		{"page of one customer's orders", "/v1/orders?customer=" + string(middle.customer)},
		{"page of 20 orders, of a rare state", "/v1/orders?state=refunded"},
		{"page of 100 events, the oldest", "/v1/events"},
		{"page of events, the newest", "/v1/events?after=" + page.Next},
		{"page of one order's events", "/v1/events?order_id=" + string(middle.order)},
	} {
		err := g.run(of.name, func() (load, error) {
			l, began := load{}, time.Now()
			for range pageTries {
				at := time.Now()
				if _, err := g.get(ctx, of.path); err != nil {
					return l, err
				}
				l.latencies = append(l.latencies, time.Since(at))
			}
			slices.Sort(l.latencies)
			l.took = time.Since(began)
			return l, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// createdOf returns the creation time of the n-th copy in the index, in Unix milliseconds.
func (g *grown) createdOf(n int) int64 {
	return g.filled.createdAt(n).UnixMilli()
}

// orderCursor returns the cursor after an order, as GET /v1/orders returns it.
func orderCursor(created int64, order string) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.AppendUvarint(nil, uint64(created)), order...))
}

// fewConnections is the number of connections for requests that change something at Stripe.
const fewConnections = 8

// collect sends each request once, on a few connections, and calls answer with each response's body.
func collect(
	ctx context.Context, address string, few int, requests [][]byte, wanted int, answer func(body []byte),
) (load, error) {
	var work errgroup.Group
	all, source := make([][]time.Duration, few), each(requests, wanted)
	began := time.Now()
	for i := range few {
		work.Go(func() error {
			l, err := dial(address)
			if err != nil {
				return err
			}
			defer l.close()
			for ctx.Err() == nil {
				request, _ := source(i, 0)
				if request == nil {
					break
				}
				at := time.Now()
				status, err := l.roundTrip(request)
				if err != nil || status != wanted {
					return fmt.Errorf("answered with %d, want %d: %s, %w", status, wanted, l.body, err)
				}
				all[i] = append(all[i], time.Since(at))
				answer(l.body)
			}
			return ctx.Err()
		})
	}
	err := work.Wait()
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return load{time.Since(began), latencies}, err
}
