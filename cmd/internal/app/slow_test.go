package app

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// slowConnections are opened at once. The test holds both ends of them.
const slowConnections = 2_000

// enoughFiles raises this process's limit of open files as far as possible, and returns the number of
// connections that it allows.
func enoughFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // the resulting limit is read below
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	const others = 500
	if limit.Cur < 2*slowConnections+others {
		t.Logf("only %d files may be open (ulimit -n): fewer than %d connections", limit.Cur, slowConnections)
		return int(limit.Cur-others) / 2
	}
	return slowConnections
}

// memory returns this process's memory in bytes, including both ends of each connection.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// TestMemoryIsFlat: a slow connection costs a few kilobytes, for any duration and any input. Other
// clients are served meanwhile, and all memory is returned afterwards.
func TestMemoryIsFlat(t *testing.T) {
	r := run(t, nil)
	beginnings := []struct{ request, drop string }{
		{"GET /v1/config HTTP/1.1\r\nHost: kasse\r\n", "X-A: b\r\n"},
		{"POST /v1/payments HTTP/1.1\r\n" + asBackend + asJSON + "Content-Length: 60000\r\n\r\n{", " "},
		{"POST /v1/payments HTTP/1.1\r\nHost: kasse\r\n" + asJSON + "Content-Length: 60000\r\n\r\n{", " "},
		{
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nStripe-Signature: t=1,v1=00\r\n" +
				"Content-Length: 200000\r\n\r\n{",
			" ",
		},
	}
	count := enoughFiles(t)
	before, goroutines := memory(), runtime.NumGoroutine()
	began := time.Now()
	r.requireHarmless(func() {
		all := make([]net.Conn, count)
		for n := range all {
			all[n] = r.connect()
			defer all[n].Close()
			if _, err := io.WriteString(all[n], beginnings[n%len(beginnings)].request); err != nil {
				t.Fatal(err)
			}
		}
		opened := memory()
		for range 5 {
			for n, conn := range all {
				_, _ = io.WriteString(conn, beginnings[n%len(beginnings)].drop)
			}
			for range 20 {
				if status := r.get(r.public, "/v1/config"); status != http.StatusOK {
					t.Errorf("another is answered %d", status)
				}
			}
		}
		dripped := memory()
		each, grown := (opened-before)/int64(count), (dripped-opened)/int64(count)
		t.Logf(
			"%d connections in %s: %d bytes each, and %d more for what they dripped", count, time.Since(began),
			each, grown,
		)
		if each > 96<<10 || grown > 8<<10 {
			t.Errorf("memory was %d, is %d with the connections and %d later", before, opened, dripped)
		}
	})
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > goroutines+20 || memory() > before+8<<20 {
		if time.Now().After(deadline) {
			t.Fatalf(
				"after all have gone there are %d goroutines and %d bytes; before there were %d and %d",
				runtime.NumGoroutine(), memory(), goroutines, before,
			)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
