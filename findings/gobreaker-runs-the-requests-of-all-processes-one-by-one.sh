#!/bin/sh
# gobreaker's distributed circuit breaker runs one request at a time, and loses failures
#
# Guesses (28 November, B2, B21, B22): requests that come at the same time run side by side, as with
#             the breaker in memory. Each of five failures counts. With MaxRequests 1, two processes
#             together send one request to a service that has just recovered.
# Behaviour:  Execute holds the lock of the shared store while the request runs. A request of any
#             process waits for it, asks every half a second, and fails after five seconds, although
#             the breaker is closed. Execute reads the shared state before it takes the lock, and
#             writes its own copy afterwards. So failures of the same moment count once, and the
#             second process sends a request in spite of MaxRequests.
# Versions:   github.com/sony/gobreaker/v2 v2.4.0, github.com/redis/go-redis/v9 v9.23.0,
#             redis-server 7.0.15 (Debian). The package brings no store, so the one below is ours.
# Matters:    payments wait for each other, and are refused while Stripe works slowly. In an outage
#             the breaker stays closed.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

var (
	ctx     = context.Background()
	errLock = errors.New("the lock is held")
	errDown = errors.New("Stripe is down")
)

// store keeps the state of a breaker in Redis. The callers of a test wait until all of them have read the state.
type store struct {
	*redis.Client
	reads *sync.WaitGroup
}

func (s store) Lock(name string) error {
	locked, err := s.SetNX(ctx, name, 1, time.Minute).Result()
	if err == nil && !locked {
		return errLock
	}
	return err
}

func (s store) Unlock(name string) error { return s.Del(ctx, name).Err() }

func (s store) GetData(name string) ([]byte, error) {
	data, err := s.Get(ctx, name).Bytes()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	if s.reads != nil {
		s.reads.Done()
		s.reads.Wait()
	}
	return data, err
}

func (s store) SetData(name string, data []byte) error { return s.Set(ctx, name, data, 0).Err() }

type breaker = gobreaker.DistributedCircuitBreaker[int]

// open returns the breaker of a process. It opens after two failures in a row, for a second.
func open(name string, reads *sync.WaitGroup) *breaker {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: "socket"})
	trip := func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= 2 }
	settings := gobreaker.Settings{Name: name, Timeout: time.Second, MaxRequests: 1, ReadyToTrip: trip}
	if reads != nil {
		reads.Add(1)
	}
	b, err := gobreaker.NewDistributedCircuitBreaker[int](store{client, reads}, settings)
	if err != nil {
		panic(err)
	}
	return b
}

// together runs one request of each breaker at the same time.
func together(reads *sync.WaitGroup, request func() (int, error), processes ...*breaker) {
	var all sync.WaitGroup
	reads.Add(len(processes))
	for _, process := range processes {
		all.Go(func() { _, _ = process.Execute(request) })
	}
	all.Wait()
}

func state(name string) gobreaker.State {
	state, err := open(name, nil).State()
	if err != nil {
		panic(err)
	}
	return state
}

func main() {
	fails := func() (int, error) { return 0, errDown }

	var reads sync.WaitGroup
	var now, most atomic.Int32
	counts := func() (int, error) {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(200 * time.Millisecond)
		now.Add(-1)
		return 0, nil
	}
	together(&reads, counts, open("side", &reads), open("side", &reads), open("side", &reads))
	fmt.Println("three requests at the same time, most that ran side by side:", most.Load())

	one, two := open("failures", nil), open("failures", nil)
	_, _ = one.Execute(fails)
	_, _ = two.Execute(fails)
	fmt.Println("two failures, one after the other:", state("failures"))
	time.Sleep(1100 * time.Millisecond)
	var probes atomic.Int32
	probe := func() (int, error) { probes.Add(1); return 0, errDown }
	together(&reads, probe, open("failures", &reads), open("failures", &reads))
	fmt.Println("a second later, requests of two processes that were sent:", probes.Load())

	together(&reads, fails, open("same", &reads), open("same", &reads), open("same", &reads), open("same", &reads))
	fmt.Println("four failures at the same time:", state("same"))

	slow, other := open("slow", nil), open("slow", nil)
	begun, done := make(chan bool), make(chan bool)
	go func() {
		_, _ = slow.Execute(func() (int, error) { close(begun); time.Sleep(7 * time.Second); return 0, nil })
		close(done)
	}()
	<-begun
	_, err := other.Execute(func() (int, error) { return 0, nil })
	fmt.Println("beside a request of 7 s:", err)
	<-done
	fmt.Println("then:", state("slow"))
}
END
go_modules github.com/sony/gobreaker/v2@v2.4.0 github.com/redis/go-redis/v9@v9.23.0
./finding >seen
compare <<'END'
three requests at the same time, most that ran side by side: 1
two failures, one after the other: open
a second later, requests of two processes that were sent: 2
four failures at the same time: closed
beside a request of 7 s: the lock is held
then: closed
END
