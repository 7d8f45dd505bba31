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

// hold asks for the status with the newest version in hand.
func (w *world) hold(made opened, query string) reply {
	tag := `"` + strconv.FormatInt(made.Version, 10) + `"`
	return w.send(request{line: "GET /v1/payments/" + made.PaymentIntent + query, token: made.ClientSecret, header: ifNoneMatch(tag)})
}

// held asks the same, to be held for as long as anybody may, and gives the answer when there is one.
func (w *world) held(made opened) <-chan reply {
	answer := make(chan reply, 1)
	go func() { answer <- w.hold(made, "?wait=25") }()
	return answer
}

// answeredBefore fails where the answer to the long question has come already.
func answeredBefore(t *testing.T, long <-chan reply) {
	t.Helper()
	select {
	case <-long:
		t.Error("one that is held for 25 s was answered before")
	default:
	}
}

func TestWaitEndsAtItsTime(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	long := w.held(made)
	for _, query := range []string{"?wait=0", "?wait=1"} {
		if answer := w.hold(made, query); answer.status != http.StatusNotModified {
			t.Errorf("%s: %d", query, answer.status)
		}
	}
	answeredBefore(t, long)
	close(w.draining)
	<-long
}

func TestWaitHoldsNothingElse(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	long := w.held(made)
	line := "GET /v1/payments/" + made.PaymentIntent + "?wait=25"
	for _, r := range []request{
		{line: line, token: fullKey},
		{line: line, token: fullKey, header: ifNoneMatch(`"1"`)},
		{line: "GET /v1/payments/pi_nothing?wait=25", token: "pi_nothing_secret_x", header: ifNoneMatch("*")},
	} {
		w.send(r)
	}
	answeredBefore(t, long)
	close(w.draining)
	<-long
}

func TestWaitEndsAtAChange(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	time.AfterFunc(200*time.Millisecond, func() { _ = w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method") })
	answer := w.hold(made, "?wait=25")
	if answer.status != http.StatusOK || !strings.Contains(answer.body, `"state":"failed"`) {
		t.Errorf("%d: %s", answer.status, answer.body)
	}
}

// TestDrainingEndsWaits has one that is held, and one that comes later.
func TestDrainingEndsWaits(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	long := w.held(made)
	answeredBefore(t, long)
	close(w.draining)
	for _, waiting := range []<-chan reply{long, w.held(made)} {
		select {
		case answer := <-waiting:
			if answer.status != http.StatusNotModified {
				t.Errorf("%d: %s", answer.status, answer.body)
			}
		case <-time.After(20 * time.Second): // it would have been answered after 25 s
			t.Error("still held")
		}
	}
}
