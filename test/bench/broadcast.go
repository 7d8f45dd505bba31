package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// waitTogether measures many waiters of one payment.
func (env *environment) waitTogether(ctx context.Context, order *deliveries) error {
	bare, err := env.bare(ctx, "wait")
	if err != nil {
		return err
	}
	kasse, err := env.kasse(ctx, map[string]string{"RATE_LIMIT_FRONTEND": "off"})
	if err != nil {
		return err
	}
	n := int(order.changes.Add(1)) - 1
	one := n % payments
	err = env.broadcast(
		"Broadcast/bare", bare.address, bareOf, 0,
		[]byte("POST /change/0 HTTP/1.1\r\nHost: bare\r\nContent-Length: 0\r\n\r\n"),
	)
	if err != nil {
		return err
	}
	return env.broadcast("Broadcast/kasse", kasse.address, pollOf, one, delivery(order.change(n)))
}

// broadcast measures the time from a change to the last waiter's response.
func (env *environment) broadcast(name, address string, ask waitRequest, one int, change []byte) error {
	var notified atomic.Int64
	done := make(chan time.Time, 1)
	begun := atomic.Bool{}
	all, err := startWaiters(address, waiterCount, func(_ int, tag []byte) []byte {
		return ask(one, tag)
	}, func(_ int, at time.Time) {
		if begun.Load() && notified.Add(1) == waiterCount {
			done <- at
		}
	})
	if err != nil {
		return err
	}
	defer all.close()
	time.Sleep(settling)
	sender, err := dial(address)
	if err != nil {
		return err
	}
	defer sender.close()
	begun.Store(true)
	began := time.Now()
	if status, err := sender.roundTrip(change); err != nil || status != http.StatusOK {
		return fmt.Errorf("the change was answered %d: %s %w", status, sender.body, err)
	}
	select {
	case at := <-done:
		env.line(name, waiterCount, metric{"ms", float64(at.Sub(began).Microseconds()) / 1000})
	case <-time.After(time.Minute):
		return fmt.Errorf("%s: only %d were notified: %w", name, notified.Load(), all.err())
	}
	return nil
}
