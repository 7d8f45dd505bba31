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

// link is a connection that carries one request at a time. It parses as little of a response as possible,
// since it shares the machine with the measured programs.
type link struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte // body of the last response; overwritten by the next
	etag []byte // ETag of the last response; overwritten by the next
}

func dial(address string) (*link, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (l *link) close() { _ = l.conn.Close() }

// roundTrip sends a whole request and returns the status of its response.
func (l *link) roundTrip(request []byte) (int, error) {
	if _, err := l.conn.Write(request); err != nil {
		return 0, err
	}
	return l.readResponse()
}

var lengthHeader, etagHeader = []byte("content-length:"), []byte("etag:")

// headerValue returns the value of a header line if the line has this name.
func headerValue(line, name []byte) ([]byte, bool) {
	if len(line) <= len(name) || line[0]|0x20 != name[0] || !bytes.EqualFold(line[:len(name)], name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

// readResponse reads one response.
func (l *link) readResponse() (int, error) {
	line, err := l.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, errors.Join(errors.New("no response"), err)
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
		if value, is := headerValue(line, lengthHeader); is {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		} else if value, is := headerValue(line, etagHeader); is {
			l.etag = append(l.etag[:0], value...)
		}
	}
	l.body = slices.Grow(l.body[:0], length)[:length]
	_, err = io.ReadFull(l.in, l.body)
	return status, err
}

// load is the result of one run.
type load struct {
	took      time.Duration
	latencies []time.Duration // sorted
}

func (l load) count() int { return len(l.latencies) }

func (l load) rate() float64 { return float64(len(l.latencies)) / l.took.Seconds() }

// quantile is the latency that the given share of the requests did not exceed.
func (l load) quantile(share float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(int(share*float64(len(l.latencies))), len(l.latencies)-1)]
}

// connections is the number of connections of a load.
const connections = 64

// requestSource returns the n-th request of a connection and the expected status. A nil request ends the
// load.
type requestSource func(connection, n int) (request []byte, status int)

// closedLoop sends requests on 64 connections for the given time, each as soon as the previous response has
// arrived. Several addresses share the connections.
func closedLoop(ctx context.Context, addresses []string, length time.Duration, source requestSource) (load, error) {
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
		work.Go(func() { all[i], failed[i] = sendRequests(ctx, l, i, source) })
	}
	work.Wait()
	took := time.Since(began)
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return load{took, latencies}, firstError(failed)
}

func sendRequests(
	ctx context.Context, l *link, connection int, source requestSource,
) (latencies []time.Duration, err error) {
	for n := 0; ctx.Err() == nil; n++ {
		request, wanted := source(connection, n)
		if request == nil {
			break
		}
		began := time.Now()
		status, err := l.roundTrip(request)
		latencies = append(latencies, time.Since(began))
		if err != nil {
			return latencies, err
		}
		if status != wanted {
			return latencies, fmt.Errorf("answered with %d, want %d: %s", status, wanted, l.body)
		}
	}
	return latencies, nil
}

// openLoop sends requests at a fixed rate per second, independently of the responses. A latency counts from
// the moment when the request was due, so a delayed send counts as waiting.
func openLoop(ctx context.Context, address string, rate int, length time.Duration, source requestSource) (load, error) {
	return openLoopOf(ctx, address, rate, length, source, func([]byte) {})
}

// openLoopOf is openLoop, and calls answer with each response's body.
func openLoopOf(
	ctx context.Context, address string, rate int, length time.Duration, source requestSource, answer func(body []byte),
) (load, error) {
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
				request, wanted := source(i, n)
				n++
				status, err := l.roundTrip(request)
				all[i] = append(all[i], time.Since(at))
				answer(l.body)
				if err == nil && status != wanted {
					err = fmt.Errorf("answered with %d, want %d: %s", status, wanted, l.body)
				}
				failed[i] = cmp.Or(failed[i], err)
			}
		})
	}
	work.Wait()
	latencies := slices.Concat(all...)
	slices.Sort(latencies)
	return load{time.Since(began), latencies}, firstError(failed)
}

// firstError returns one of the errors: if one connection fails, all do.
func firstError(all []error) error { return cmp.Or(all...) }
