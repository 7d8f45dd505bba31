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

// slowConnections come at once, each for as long as it may; the test holds both ends of them.
const slowConnections = 2_000

// enoughFiles raises the number of files that this process may have open, as far as it may, and returns how many
// connections that allows.
func enoughFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // what it is now is asked below
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	const others = 500
	if limit.Cur < 2*slowConnections+others {
		t.Logf("only %d files may be open (ulimit -n): fewer than %d connections", limit.Cur, slowConnections)
		return int(limit.Cur-others) / 2
	}
	return slowConnections
}

// memory is what this process holds, in bytes, both ends of each connection included.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// TestMemoryIsFlat: a slow connection costs some kilobytes, however long it lasts and whatever it drips; others are
// served meanwhile, and all of it comes back.
func TestMemoryIsFlat(t *testing.T) {
	r := run(t, nil)
	beginnings := []struct{ request, drop string }{
		{"GET /v1/config HTTP/1.1\r\nHost: kasse\r\n", "X-A: b\r\n"},
		{"POST /v1/payments HTTP/1.1\r\n" + asBackend + asJSON + "Content-Length: 60000\r\n\r\n{", " "},
		{"POST /v1/payments HTTP/1.1\r\nHost: kasse\r\n" + asJSON + "Content-Length: 60000\r\n\r\n{", " "},
		{
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nStripe-Signature: t=1,v1=00\r\nContent-Length: 200000\r\n\r\n{",
			" ",
		},
	}
	count := enoughFiles(t)
	before, goroutines := memory(), runtime.NumGoroutine()
	began := time.Now()
	r.harmless(func() {
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
