package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

const (
	pollers     = 500
	webhookRate = 50 // webhooks per second, in an open loop
	webhookTime = 5 * time.Second
)

// BenchmarkWebhooksBesidePolls measures a webhook while 500 pages poll their status, on pools of two
// connections to a real Redis. It reports the 99th percentiles without and with the pages, and their ratio.
// Pages that poll without a pause also use up the cores, not only the pools.
func BenchmarkWebhooksBesidePolls(b *testing.B) {
	for name, pause := range map[string]time.Duration{
		"once a second": time.Second, "four times a second": time.Second / 4, "at once again": 0,
	} {
		b.Run(name, func(b *testing.B) {
			url := kasse(b, storetest.RedisServer(b)+"?pool_size=2", "off")
			hooks := &stripeHooks{url: url}
			for range pollers {
				hooks.send() // creates the payments
			}
			for b.Loop() {
				calm := hooks.measure(b, nil)
				var polls atomic.Int64
				polled := hooks.measure(b, func(ctx context.Context) { poll(ctx, url, pause, &polls) })
				b.ReportMetric(float64(calm.Microseconds()), "calm-p99-µs")
				b.ReportMetric(float64(polled.Microseconds()), "polled-p99-µs")
				b.ReportMetric(float64(polled)/float64(calm), "ratio")
				b.ReportMetric(float64(hooks.refused.Load()), "refused")
				b.ReportMetric(float64(polls.Load())/webhookTime.Seconds(), "polls/s")
			}
		})
	}
}

// stripeHooks sends Stripe's webhooks, each about another payment.
type stripeHooks struct {
	url           string
	sent, refused atomic.Int64
}

func benchPayment(n int64) string { return fmt.Sprintf("pi_bench%d", n) }

// send delivers the event of a new payment and returns the duration.
func (h *stripeHooks) send() time.Duration {
	n := h.sent.Add(1)
	now := time.Now()
	body := fmt.Sprintf(`{"id":"evt_bench%d","object":"event","type":"payment_intent.created","created":%d,`+
		`"livemode":false,"data":{"object":{`+
		`"id":%q,"object":"payment_intent","status":"requires_payment_method","amount":4200,"currency":"eur",`+
		`"livemode":false,"created":%d,`+
		`"client_secret":"%s_secret_bench","metadata":{"kasse_service":"kasse","kasse_order_id":"order-%d",`+
		`"kasse_attempt":"1","kasse_rev":"1700000000000"}}}}`,
		n, now.Unix(), benchPayment(n), now.Unix(), benchPayment(n), n)
	request, err := http.NewRequest(http.MethodPost, h.url+"/webhooks/stripe", strings.NewReader(body))
	if err != nil {
		h.refused.Add(1)
		return 0
	}
	request.Header.Set("Stripe-Signature", stripesim.Sign(hookSecret, now, []byte(body)))
	response, err := client.Do(request)
	if err != nil {
		h.refused.Add(1)
		return 0
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK ||
		!strings.Contains(string(said), "applied") {
		h.refused.Add(1)
	}
	return time.Since(now)
}

// measure sends webhooks at a steady rate while beside runs, and returns the 99th percentile.
func (h *stripeHooks) measure(b *testing.B, beside func(context.Context)) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), webhookTime)
	defer cancel()
	var all sync.WaitGroup
	if beside != nil {
		all.Go(func() { beside(ctx) })
	}
	var mu sync.Mutex
	var took []time.Duration
	openLoop(ctx, webhookRate, func() {
		one := h.send()
		mu.Lock()
		defer mu.Unlock()
		took = append(took, one)
	})
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}

var pages = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pollers}}

// poll lets every page poll its payment's status until the context ends, and counts the responses.
func poll(ctx context.Context, url string, pause time.Duration, answers *atomic.Int64) {
	var all sync.WaitGroup
	for n := range pollers {
		all.Go(func() {
			payment := benchPayment(int64(n) + 1)
			for wait := pause * time.Duration(n) / pollers; ctx.Err() == nil; wait = pause {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/payments/"+payment, nil)
				if err != nil {
					return
				}
				request.Header.Set("Authorization", "Bearer "+payment+"_secret_bench")
				response, err := pages.Do(request)
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					answers.Add(1)
				}
			}
		})
	}
	all.Wait()
}
