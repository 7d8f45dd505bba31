package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kasse/test/wait"
)

// costTask is one kind of request.
type costTask struct {
	name    string
	run     func(ctx context.Context, s *costSetup) (count int, err error)
	prepare func(ctx context.Context, s *costSetup) (end func(), err error) // not measured; nil: none
}

// Rates of the tasks in requests per second: those of a busy shop, with some 100 orders per second at its peak. A task
// at full rate shows the cost of a request when many are served together.
const (
	costReads    = 1000
	costMisses   = 500
	costCreates  = 50
	costWebhooks = 80 // below STRIPE_READ_RPS, 100 reads per second
)

// Names of the tasks that the tables use.
const (
	taskRead        = "status read"
	taskUnchanged   = "status read, unchanged (304)"
	taskMiss        = "status read, the first after a change"
	taskCreate      = "create with a customer"
	taskGuest       = "create as a guest"
	taskNothing     = "webhook that brings nothing new"
	taskCharge      = "webhook of a charge"
	taskSuccess     = "webhook of a success, with its read at Stripe"
	taskChange      = "webhook of a change"
	taskWaiting     = "webhook of a change for which a page waits"
	taskPushSuccess = "webhook of a success, with its read and a push"
	fullRate        = ", full rate"
	taskIdle        = "idle"
)

// costTasks are measured in this order, since later tasks use the payments that earlier ones open or change.
var costTasks = []costTask{
	{name: taskRead, run: reading(costReads)},
	{name: taskUnchanged, run: readingUnchanged(costReads)},
	{name: taskCreate, run: creating(taskCreate, true, costCreates)},
	{name: taskGuest, run: creating(taskGuest, false, costCreates)},
	{name: taskNothing, run: delivering("payment_intent.created", taskCreate)},
	{name: taskSuccess, run: succeeding(taskCreate)},
	{name: taskCharge, run: delivering("charge.succeeded", taskCreate)},
	{name: taskChange, run: changing(costWebhooks)},
	{name: taskWaiting, run: changing(costWebhooks), prepare: waitingPages},
	{name: taskRead + fullRate, run: reading(0)},
	{name: taskUnchanged + fullRate, run: readingUnchanged(0)},
	{name: taskCreate + fullRate, run: creating("full", true, 0)},
	{name: taskChange + fullRate, run: changing(0)},
	{name: taskMiss, run: missing},
}

// pushTasks are measured on a server with a push endpoint.
var pushTasks = []costTask{
	{name: taskPushSuccess, run: succeedingWithPush, prepare: func(ctx context.Context, s *costSetup) (func(), error) {
		_, err := creating("push", true, costCreates)(ctx, s)
		return func() {}, err
	}},
}

// paced returns the number of requests of a task at a rate. It is even.
func (s *costSetup) paced(rate int) int { return max(int(float64(rate)*s.length.Seconds()), 2) &^ 1 }

// send sends each request once, at a rate per second. A rate of 0 has no limit.
func (s *costSetup) send(ctx context.Context, requests [][]byte, rate, status int) (int, error) {
	return collectAt(ctx, s.kasse.Public, rate, connections, requests, status, func([]byte) {})
}

func reading(rate int) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (int, error) {
		return s.read(ctx, s.whole, rate, http.StatusOK)
	}
}

func readingUnchanged(rate int) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (_ int, err error) {
		if _, s.tags, err = readEach(s.kasse.Public, costPayments); err != nil {
			return 0, err
		}
		return s.read(ctx, s.tags, rate, http.StatusNotModified)
	}
}

// read sends requests that it draws at random.
func (s *costSetup) read(ctx context.Context, of [][]byte, rate, status int) (int, error) {
	var l load
	var err error
	if rate > 0 {
		l, err = openLoop(ctx, s.kasse.Public, rate, s.length, atRandom(of, status))
	} else {
		l, err = closedLoop(ctx, []string{s.kasse.Public}, s.length, atRandom(of, status))
	}
	return l.count(), err
}

// missing reads payments once that have changed since their views were cached.
func missing(ctx context.Context, s *costSetup) (int, error) {
	return s.send(ctx, s.whole[:min(changedPayments, len(s.whole))], costMisses, http.StatusOK)
}

// creating opens orders, and records them under a name.
func creating(name string, customer bool, rate int) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (int, error) {
		count := s.paced(8 * costCreates)
		if rate > 0 {
			count = s.paced(rate)
		}
		s.opened[name] = nil
		var requests [][]byte
		for i := range count {
			body := fmt.Sprintf(`{"order_id":"%s-%d-%d","amount":4200,"currency":"eur"}`, underscored(name), s.round, i)
			if customer {
				body = strings.Replace(body, "{", fmt.Sprintf(`{"customer":"%s",`, s.customer), 1)
			}
			requests = append(requests, postRequest("/v1/payments", body))
		}
		var mu sync.Mutex
		return collectAt(ctx, s.kasse.Public, rate, connections, requests, http.StatusCreated, func(body []byte) {
			var view struct {
				Order   string `json:"order_id"`
				Payment string `json:"payment_intent"`
			}
			if json.Unmarshal(body, &view) == nil { // the tasks that use the payments report a missing one
				mu.Lock()
				defer mu.Unlock()
				s.opened[name] = append(s.opened[name], cart{view.Order, view.Payment})
			}
		})
	}
}

// delivering delivers an event about each payment that a task has opened.
func delivering(kind, of string) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (int, error) {
		requests, err := s.events.deliveries(ctx, kind, s.opened[of])
		if err != nil {
			return 0, err
		}
		return s.send(ctx, requests, costWebhooks, http.StatusOK)
	}
}

// succeeding delivers the success of each payment that a task has opened. It ends when Kasse has read all of them at
// Stripe.
func succeeding(of string) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (int, error) {
		if err := s.pay(s.opened[of]); err != nil {
			return 0, err
		}
		before := s.reads.Load()
		count, err := delivering("payment_intent.succeeded", of)(ctx, s)
		if err != nil {
			return 0, err
		}
		return count, s.awaitCount(ctx, "reads", &s.reads, before+int64(count))
	}
}

// succeedingWithPush is succeeding, and ends when the endpoint has received all events.
func succeedingWithPush(ctx context.Context, s *costSetup) (int, error) {
	before := s.pushed.Load()
	count, err := succeeding("push")(ctx, s)
	if err != nil {
		return 0, err
	}
	return count, s.awaitCount(ctx, "pushes", &s.pushed, before+int64(count))
}

// awaitCount waits until a counter has the wanted value, and until the last result is saved.
func (s *costSetup) awaitCount(ctx context.Context, what string, of *atomic.Int64, wanted int64) error {
	err := wait.For(ctx, func() error {
		if had := of.Load(); had < wanted {
			return fmt.Errorf("%d %s are missing", wanted-had, what)
		}
		return nil
	})
	wait.Pause(ctx, 200*time.Millisecond) // the last result is saved
	if had := of.Load(); err == nil && had != wanted {
		return fmt.Errorf("%d %s too many", had-wanted, what)
	}
	return err
}

// changedPayments is the number of payments that change, each to requires_action and back.
const changedPayments = 200

func changing(rate int) func(context.Context, *costSetup) (int, error) {
	return func(ctx context.Context, s *costSetup) (int, error) {
		if rate == 0 {
			return s.alternate(ctx, s.paced(20*costWebhooks), 0)
		}
		return s.alternate(ctx, s.paced(rate), rate)
	}
}

// alternate changes payments back and forth. Each has the same status at the end as before.
func (s *costSetup) alternate(ctx context.Context, count, rate int) (int, error) {
	of := min(changedPayments, costPayments, count/2)
	count -= count % (2 * of)
	var requests [][]byte
	for n := range count {
		s.changes++
		at := time.Unix(opened+10*int64(s.changes), 0)
		status := []string{"requires_action", "processing"}[n/of%2]
		requests = append(requests, delivery(event(n%of, status, status, at)))
	}
	return s.send(ctx, requests, rate, http.StatusOK)
}

// waitingPages opens a waiting request for each payment that changes.
func waitingPages(ctx context.Context, s *costSetup) (func(), error) {
	count := min(changedPayments, costPayments, s.paced(costWebhooks)/2)
	var answers atomic.Int64
	all, err := startWaiters(s.kasse.Public, count, pollOf, func(int, time.Time) { answers.Add(1) })
	if err != nil {
		return nil, err
	}
	err = wait.For(ctx, func() error {
		if answers.Load() < int64(count) {
			return errors.Join(wait.ErrNotYet, all.err())
		}
		return nil
	})
	wait.Pause(ctx, 200*time.Millisecond) // the last one repeats its request
	return all.close, err
}

// readEach reads each seeded payment once. It returns the requests that are answered with the view, and those that are
// answered with 304.
func readEach(address string, count int) (whole, unchanged [][]byte, err error) {
	l, err := dial(address)
	if err != nil {
		return nil, nil, err
	}
	defer l.close()
	for n := range count {
		request := poll(n, "")
		if code, err := l.roundTrip(request); err != nil || code != http.StatusOK {
			return nil, nil, fmt.Errorf("payment %d: %d %w", n, code, err)
		}
		whole = append(whole, slices.Clone(request))
		unchanged = append(unchanged, poll(n, fmt.Sprintf("If-None-Match: %s\r\n", l.etag)))
	}
	return whole, unchanged, nil
}

// collectAt sends each request once, and calls answer with each response's body. A rate of 0 has no limit.
func collectAt(
	ctx context.Context, address string, rate, few int, requests [][]byte, status int, answer func(body []byte),
) (int, error) {
	if rate == 0 {
		l, err := collect(ctx, address, few, requests, status, answer)
		return l.count(), err
	}
	length := time.Duration(len(requests)) * time.Second / time.Duration(rate)
	l, err := openLoopOf(ctx, address, rate, length, each(requests, status), answer)
	return l.count(), err
}
