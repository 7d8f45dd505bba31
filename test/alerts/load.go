package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

const (
	maxMemory = 256 << 20              // Redis's maxmemory, in bytes
	pace      = 250 * time.Millisecond // interval between two orders
	maxOrders = 20                     // orders in flight
)

// load opens and pays orders until stop is called. Kasse opens half of them, and another replica the others.
// Errors are ignored, since the fault causes them.
func (env *environment) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	places := make(chan struct{}, maxOrders)
	all.Go(func() {
		for wait.Pause(ctx, pace) {
			select {
			case places <- struct{}{}:
			default:
				continue
			}
			all.Go(func() {
				defer func() { <-places }()
				env.order(ctx)
				_, _ = env.openAtStripe(ctx)
			})
		}
	})
	return func() { cancel(); all.Wait() }
}

var orders atomic.Int64 // opened so far; numbers their names

// order creates, pays and reads one order.
func (env *environment) order(ctx context.Context) {
	body := fmt.Sprintf(`{"order_id":"order-%d","amount":1999,"currency":"eur"}`, orders.Add(1))
	a, err := env.request(ctx, http.MethodPost, "/v1/payments", body)
	var response struct {
		Payment string `json:"payment_intent"`
	}
	if err != nil || a.Status/100 != 2 || json.Unmarshal(a.Body, &response) != nil {
		return
	}
	_ = env.Stripe.Apply(ctx, response.Payment, testenv.Pay, 1999)
	_, _ = env.request(ctx, http.MethodGet, "/v1/payments/"+response.Payment, "")
}

// openAtStripe opens a payment at Stripe, as another replica would, and pays it.
func (env *environment) openAtStripe(ctx context.Context) (payment string, err error) {
	plan := testenv.OrderPlan{Order: fmt.Sprintf("elsewhere-%d", orders.Add(1)), Amount: 500}
	payment, err = env.Stripe.Open(ctx, plan)
	if err != nil {
		return "", err
	}
	return payment, env.Stripe.Apply(ctx, payment, testenv.Pay, 500)
}

func (env *environment) request(ctx context.Context, method, path, body string) (testenv.Answer, error) {
	env.post.mu.Lock()
	to := env.post.to
	env.post.mu.Unlock()
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	return testenv.Call(ctx, env.Client, method, to+path, header, body)
}

// sample is one series of a response of Prometheus.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // Unix time, and the value as a string
}

// query runs an instant query: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
func (env *environment) query(ctx context.Context, expression string) ([]sample, error) {
	a, err := testenv.Call(
		ctx, env.Client, http.MethodGet, env.prometheus+"/api/v1/query?query="+url.QueryEscape(expression), nil, "",
	)
	if err != nil {
		return nil, err
	}
	var response struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Result []sample `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &response); err != nil {
		return nil, err
	}
	if response.Status != "success" {
		return nil, errors.Join(wait.ErrGaveUp, errors.New(response.Error))
	}
	return response.Data.Result, nil
}

// rules counts the rules that Prometheus has evaluated:
// https://prometheus.io/docs/prometheus/latest/querying/api/#rules.
func (env *environment) rules(ctx context.Context) (evaluated int, err error) {
	a, err := testenv.Call(ctx, env.Client, http.MethodGet, env.prometheus+"/api/v1/rules?type=alert", nil, "")
	if err != nil {
		return 0, err
	}
	var response struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Health    string `json:"health"`
					LastError string `json:"lastError"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &response); err != nil {
		return 0, err
	}
	for _, group := range response.Data.Groups {
		for _, rule := range group.Rules {
			if rule.LastError != "" {
				return 0, errors.Join(wait.ErrGaveUp, errors.New(rule.LastError))
			}
			if rule.Health == "ok" {
				evaluated++
			}
		}
	}
	return evaluated, nil
}

// awaitScrapes waits until Prometheus has scraped Kasse several times.
func (env *environment) awaitScrapes(ctx context.Context) error {
	const scraped = `count_over_time(build_info{job="kasse"}[1m]) > 3` +
		` and on () sum(kasse_webhook_events_total{outcome="applied"}) > 3`
	return wait.For(ctx, func() error {
		found, err := env.query(ctx, scraped)
		if err == nil && len(found) == 0 {
			err = errors.New("too few scrapes by Prometheus, or too few events applied by Kasse")
		}
		return err
	})
}

// awaitAlert waits until the receiver has received an alert.
func (env *environment) awaitAlert(ctx context.Context, alert string) (at time.Time, err error) {
	err = wait.For(ctx, func() error {
		at, err = env.receiver.first(alert)
		return err
	})
	return at, err
}

// alerts describes Prometheus's own alerts, for an error message.
func (env *environment) alerts(ctx context.Context) string {
	found, err := env.query(ctx, "ALERTS")
	if err != nil {
		return err.Error()
	}
	names := []string{}
	for _, s := range found {
		names = append(names, s.Metric["alertname"]+" "+s.Metric["alertstate"])
	}
	return fmt.Sprint(names)
}
