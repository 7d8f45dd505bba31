package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
)

// twoWays starts two servers of one service: the first parks requests that wait, the other does not.
func (w *apiEnv) twoWays() (addresses [2]string) {
	w.t.Helper()
	for i := range addresses {
		o := w.options(slog.New(slog.NewJSONHandler(w.logs, nil)))
		o.Origins = []string{"https://shop.example"}
		hourly := api.Limit{Count: 100, Per: time.Hour}
		o.Limits = api.Limits{Service: hourly, Frontend: hourly, Now: time.Now}
		w.unparked = i == 1
		w.serve(o)
		addresses[i] = strings.TrimPrefix(w.api.URL, "http://")
	}
	return addresses
}

// raw sends a request that waits, and returns all that is answered. The connection is ended by a second request.
func raw(t *testing.T, address, path, token, tag string) <-chan string {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	head := " HTTP/1.1\r\nHost: kasse\r\nOrigin: https://shop.example\r\nAuthorization: Bearer " + token + "\r\n"
	_, err = io.WriteString(c, "GET "+path+head+"X-Request-Id: held\r\nIf-None-Match: "+tag+"\r\n\r\n"+
		"GET /v1/config"+head+"X-Request-Id: next\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(bufio.NewReader(c))
		answer <- string(all)
	}()
	return answer
}

var dated = regexp.MustCompile(`Date: [^\r]*|r=\d+;t=\d+`)

// TestParkedAnswersAreTheSame compares answers byte for byte, and the lines of the log, for each kind of reader: after
// a change, and after the time.
func TestParkedAnswersAreTheSame(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	path := "/v1/payments/" + made.PaymentIntent
	token := w.mint(`{"order_id":"shop-1","amount":4999,"currency":"eur"}`).Token
	readers := []string{fullKey, token, made.ClientSecret}
	addresses := w.twoWays()
	var over, changed [2][]<-chan string
	for i, address := range addresses {
		w.unparked = i == 1
		for _, reader := range readers {
			over[i] = append(over[i], raw(t, address, path+"?wait=1", reader, etagOf(made)))
			changed[i] = append(changed[i], raw(t, address, path+"?wait=25", reader, `W/`+etagOf(made)))
		}
		w.awaitHeld(len(readers)) // those of the first server may have ended
	}
	collect := func(status string, answers [2][]<-chan string) {
		t.Helper()
		for i, reader := range readers {
			parked, usual := dated.ReplaceAllString(<-answers[0][i], "-"), dated.ReplaceAllString(<-answers[1][i], "-")
			if parked != usual || !strings.HasPrefix(parked, "HTTP/1.1 "+status) {
				t.Errorf("%.20s…\nparked: %q\nusual:  %q", reader, parked, usual)
			}
		}
	}
	collect("304 Not Modified\r\nAccess-Control-Allow-Origin: https://shop.example\r\n", over)
	w.send(request{
		line: "PATCH " + path, token: fullKey, body: `{"amount":5999}`, header: map[string]string{
			"If-Match": etagOf(made),
		},
	})
	collect("200 OK\r\nAccess-Control-Allow-Origin: https://shop.example\r\n", changed)
	lines := regexp.MustCompile(`(?m)^.*"request_id":"held".*$`).FindAllString(w.logs.String(), -1)
	kinds := map[string]int{}
	for _, line := range lines {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if ms, _ := said["duration_ms"].(float64); ms < 200 {
			t.Errorf("it did not wait: %s", line)
		}
		delete(said, "time")
		delete(said, "duration_ms")
		text, _ := json.Marshal(said)
		kinds[string(text)]++
	}
	if len(lines) != 12 || len(kinds) != 6 {
		t.Errorf("%d lines, %d kinds: %v", len(lines), len(kinds), kinds)
	}
}

// TestParkedFailureIsTheSame takes Redis away from requests that wait.
func TestParkedFailureIsTheSame(t *testing.T) {
	t.Parallel()
	w := newFailingEnv(t, func(o *service.Options) { o.Jitter = func(time.Duration) time.Duration { return 0 } })
	made := w.create("shop-1")
	var answers [2]<-chan string
	for i, address := range w.twoWays() {
		w.unparked = i == 1
		answers[i] = raw(t, address, "/v1/payments/"+made.PaymentIntent+"?wait=25", made.ClientSecret, etagOf(made))
		w.awaitHeld(1)
	}
	w.redis.SetError("LOADING")
	parked, usual := dated.ReplaceAllString(<-answers[0], "-"), dated.ReplaceAllString(<-answers[1], "-")
	if parked != usual || !strings.HasPrefix(parked, "HTTP/1.1 503 ") || !strings.Contains(parked, "Retry-After: ") {
		t.Errorf("parked: %q\nusual:  %q", parked, usual)
	}
}

// TestManyWaitForOnePayment has more than are answered one after the other, and ones that come and go meanwhile.
func TestManyWaitForOnePayment(t *testing.T) {
	parkedAndNot(t, func(t *testing.T, w *apiEnv) {
		t.Helper()
		w.deliverWebhooks()
		made := w.create("shop-1")
		all := make([]<-chan reply, 200)
		for i := range all {
			all[i] = w.held(made)
		}
		w.awaitHeld(len(all))
		for range 20 {
			w.hold(made, "?wait=0")
		}
		if err := w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method"); err != nil {
			t.Fatal(err)
		}
		for _, answer := range all {
			if a := <-answer; a.status != http.StatusOK || !strings.Contains(a.body, `"state":"failed"`) {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
		if n := w.service.HeldStatuses(); n != 0 {
			t.Errorf("%d are held still", n)
		}
	})
}

// TestParkedRequestKeepsLittle measures the goroutines and memory of parked requests: neither Echo's pool nor
// anything else keeps the data of their connections.
func TestParkedRequestKeepsLittle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing is parked here")
	}
	w := newEnv(t)
	made := w.create("shop-1")
	memory := func() uint64 {
		var s runtime.MemStats
		for range 3 { // pools keep theirs for two
			runtime.GC()
		}
		runtime.ReadMemStats(&s)
		return s.HeapAlloc + s.StackInuse
	}
	request := "GET /v1/payments/" + made.PaymentIntent + "%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer " +
		made.ClientSecret + "\r\nIf-None-Match: " + etagOf(made) + "\r\n\r\n"
	const count, bound = 200, 6 << 10
	goroutines, before := runtime.NumGoroutine(), memory()
	connections := make([]net.Conn, count)
	for i := range connections {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.api.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		connections[i] = c
		_, _ = fmt.Fprintf(c, request, "")
		if n, err := c.Read(make([]byte, 4<<10)); err != nil || n == 0 {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, request, "?wait=25")
	}
	w.awaitHeld(count)
	if n := runtime.NumGoroutine() - goroutines; n > count/4 {
		t.Errorf("%d requests keep %d goroutines", count, n)
	}
	if each := (int64(memory()) - int64(before)) / count; each > bound {
		t.Errorf("each takes %d B of memory with its client's connection, more than %d", each, bound)
	} else {
		t.Logf("each takes %d B", each)
	}
	close(w.draining)
}
