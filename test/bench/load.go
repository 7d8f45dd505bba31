package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// link is a connection that carries one request after the other. It reads no more of an answer than it must: the
// measured programs share the machine with it.
type link struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte // of the last answer, until the next
	etag []byte // of the last answer, likewise
}

func dial(address string) (*link, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (l *link) close() { _ = l.conn.Close() }

// ask sends a whole request and returns the status of its answer.
func (l *link) ask(request []byte) (int, error) {
	if _, err := l.conn.Write(request); err != nil {
		return 0, err
	}
	return l.answer()
}

var lengthHeader, etagHeader = []byte("content-length:"), []byte("etag:")

// named returns the value of a header's line, if it is that header.
func named(line, name []byte) ([]byte, bool) {
	if len(line) <= len(name) || line[0]|0x20 != name[0] || !bytes.EqualFold(line[:len(name)], name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

// answer reads one answer.
func (l *link) answer() (int, error) {
	line, err := l.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, errors.Join(errors.New("no answer"), err)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	length := 0
	for {
		if line, err = l.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if value, is := named(line, lengthHeader); is {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		} else if value, is := named(line, etagHeader); is {
			l.etag = append(l.etag[:0], value...)
		}
	}
	l.body = slices.Grow(l.body[:0], length)[:length]
	_, err = io.ReadFull(l.in, l.body)
	return status, err
}

// load is what a run came to.
type load struct {
	took      time.Duration
	latencies []time.Duration // sorted
}

func (l load) count() int { return len(l.latencies) }

func (l load) rate() float64 { return float64(len(l.latencies)) / l.took.Seconds() }

// quantile is the latency that so large a share of the requests did not exceed.
func (l load) quantile(share float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(int(share*float64(len(l.latencies))), len(l.latencies)-1)]
}

// connections of a load.
const connections = 64

// next gives the n-th request of a connection, and the status that it must be answered with.
type next func(connection, n int) (request []byte, status int)

// closedLoop asks on 64 connections, on each as soon as it has been answered, for so long. Several addresses share the
// connections.
func closedLoop(ctx context.Context, addresses []string, length time.Duration, give next) (load, error) {
	links := make([]*link, connections)
	for i := range links {
		var err error
		if links[i], err = dial(addresses[i%len(addresses)]); err != nil {
			return load{}, err
		}
		defer links[i].close()
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var (
		work   sync.WaitGroup
		all    = make([][]time.Duration, connections)
		failed = make([]error, connections)
		began  = time.Now()
	)
	for i, l := range links {
		work.Go(func() { all[i], failed[i] = keepAsking(ctx, l, i, give) })
	}
	work.Wait()
	took := time.Since(began)
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return load{took, latencies}, first(failed)
}

func keepAsking(ctx context.Context, l *link, connection int, give next) (latencies []time.Duration, err error) {
	for n := 0; ctx.Err() == nil; n++ {
		request, wanted := give(connection, n)
		if request == nil {
			break // there are no more
		}
		began := time.Now()
		status, err := l.ask(request)
		latencies = append(latencies, time.Since(began))
		if err != nil {
			return latencies, err
		}
		if status != wanted {
			return latencies, fmt.Errorf("answered %d instead of %d: %s", status, wanted, l.body)
		}
	}
	return latencies, nil
}

// openLoop asks so many times a second, whatever the answers take, and counts each latency from the moment at which its
// request was due: one that could not be sent in time has waited all the same.
func openLoop(ctx context.Context, address string, rate int, length time.Duration, give next) (load, error) {
	due := make(chan time.Time, rate)
	go func() {
		defer close(due)
		began := time.Now()
		for n := range int(length.Seconds() * float64(rate)) {
			at := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			time.Sleep(time.Until(at))
			select {
			case due <- at:
			case <-ctx.Done():
				return
			}
		}
	}()
	var (
		work   sync.WaitGroup
		all    = make([][]time.Duration, connections)
		failed = make([]error, connections)
		began  = time.Now()
	)
	for i := range connections {
		work.Go(func() {
			l, err := dial(address)
			if err != nil {
				failed[i] = err
				return
			}
			defer l.close()
			n := 0
			for at := range due {
				request, wanted := give(i, n)
				n++
				status, err := l.ask(request)
				all[i] = append(all[i], time.Since(at))
				if err == nil && status != wanted {
					err = fmt.Errorf("answered %d instead of %d: %s", status, wanted, l.body)
				}
				failed[i] = cmp.Or(failed[i], err)
			}
		})
	}
	work.Wait()
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return load{time.Since(began), latencies}, first(failed)
}

// first is the first of the errors: where one connection fails they all do.
func first(all []error) error { return cmp.Or(all...) }
