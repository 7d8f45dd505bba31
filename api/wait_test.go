package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func ifNoneMatch(value string) map[string]string { return map[string]string{"If-None-Match": value} }

func TestStatusIsRevalidated(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	line := "GET /v1/payments/" + made.PaymentIntent
	first := w.send(request{line: line, token: made.ClientSecret})
	tag := first.header.Get("ETag")
	if tag != `"`+strconv.FormatInt(made.Version, 10)+`"` {
		t.Fatalf("ETag is %s", tag)
	}
	tests := map[string]int{
		tag: 304, "W/" + tag: 304, "*": 304, `"1", ` + tag + ` , "2"`: 304,
		`"1"`: 200, strings.Trim(tag, `"`): 200, "": 200, tag + "x": 200, ",": 200,
	}
	for value, want := range tests {
		answer := w.send(request{line: line, token: made.ClientSecret, header: ifNoneMatch(value)})
		if answer.status != want {
			t.Errorf("If-None-Match: %s gives %d, want %d", value, answer.status, want)
		}
		for name, value := range map[string]string{"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Origin"} {
			if got := answer.header.Get(name); got != value {
				t.Errorf("%d: %s is %q, want %q", want, name, got, value)
			}
		}
	}
	head := w.send(request{line: strings.Replace(line, "GET", "HEAD", 1), token: fullKey})
	if head.status != http.StatusOK || head.header.Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
}

// hold asks for the status with the newest version in hand, and returns the answer and how long it took.
func (w *world) hold(made opened, query string) (reply, time.Duration) {
	began := time.Now()
	tag := `"` + strconv.FormatInt(made.Version, 10) + `"`
	answer := w.send(request{line: "GET /v1/payments/" + made.PaymentIntent + query, token: made.ClientSecret, header: ifNoneMatch(tag)})
	return answer, time.Since(began)
}

func TestWaitEndsAtItsTime(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	if answer, took := w.hold(made, "?wait=1"); answer.status != http.StatusNotModified || took < time.Second {
		t.Errorf("%d after %s", answer.status, took)
	}
	if answer, took := w.hold(made, "?wait=0"); answer.status != http.StatusNotModified || took > time.Second {
		t.Errorf("%d after %s", answer.status, took)
	}
}

func TestWaitHoldsNothingElse(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	line := "GET /v1/payments/" + made.PaymentIntent + "?wait=25"
	began := time.Now()
	for _, r := range []request{
		{line: line, token: fullKey},
		{line: line, token: fullKey, header: ifNoneMatch(`"1"`)},
		{line: "GET /v1/payments/pi_nothing?wait=25", token: "pi_nothing_secret_x", header: ifNoneMatch("*")},
	} {
		w.send(r)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("held for %s", took)
	}
}

func TestWaitEndsAtAChange(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	time.AfterFunc(200*time.Millisecond, func() { _ = w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method") })
	answer, took := w.hold(made, "?wait=25")
	if answer.status != http.StatusOK || !strings.Contains(answer.body, `"state":"failed"`) || took > 10*time.Second {
		t.Errorf("%d after %s: %s", answer.status, took, answer.body)
	}
}

func TestDrainingEndsWaits(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	time.AfterFunc(200*time.Millisecond, func() { close(w.draining) })
	for range 2 { // one that is held, one that comes later
		if answer, took := w.hold(made, "?wait=25"); answer.status != http.StatusNotModified || took > 5*time.Second {
			t.Errorf("%d after %s", answer.status, took)
		}
	}
}
