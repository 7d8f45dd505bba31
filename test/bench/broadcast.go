package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// waitTogether measures many waiters of the same payment.
func waitTogether(ctx context.Context, all []*waitedBuild) error {
	bare, err := all[0].bare(ctx, "wait")
	if err != nil {
		return err
	}
	change := []byte("POST /change/0 HTTP/1.1\r\nHost: bare\r\nContent-Length: 0\r\n\r\n")
	if err := all[0].broadcast("Broadcast/bare", bare.address, bareOf, 0, change); err != nil {
		return err
	}
	for _, w := range all {
		kasse, err := w.kasse(ctx, map[string]string{"RATE_LIMIT_FRONTEND": "off"})
		if err != nil {
			return err
		}
		n := int(w.order.changes.Add(1)) - 1
		change := delivery(w.order.change(n))
		if err := w.broadcast("Broadcast/"+w.name, kasse.address, pollOf, n%payments, change); err != nil {
			return err
		}
	}
	return nil
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
		return fmt.Errorf("the change was answered with %d: %s %w", status, sender.body, err)
	}
	select {
	case at := <-done:
		env.line(name, waiterCount, metric{"ms", float64(at.Sub(began).Microseconds()) / 1000})
	case <-time.After(time.Minute):
		return errors.Join(
			fmt.Errorf("%s: only %d of %d waiters were notified", name, notified.Load(), waiterCount), all.err(),
		)
	}
	return nil
}
