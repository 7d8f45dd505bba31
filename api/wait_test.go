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
	w := newEnv(t)
	made := w.create("shop-1")
	line := "GET /v1/payments/" + made.PaymentIntent
	first := w.send(request{line: line, token: made.ClientSecret})
	tag := first.header.Get("ETag")
	if tag != etagOf(made) {
		t.Fatalf("ETag is %s", tag)
	}
	tests := map[string]int{
		`"1"`: 200, strings.Trim(tag, `"`): 200, "": 200, tag +
			"x": 200, ",": 200, "w/" + tag: 200, "**": 200, `"*"`: 200, strings.TrimSuffix(tag, `"`): 200,
		rewritten(tag, "-gzipx"): 200, rewritten(tag, "-"): 200, rewritten(
			tag, "gzip",
		): 200, `"-gzip"`: 200, `"1-gzip"`: 200, `"a,` + tag + `"`: 200,
	}
	for _, value := range forms(tag) {
		tests[value] = 304
	}
	for value, want := range tests {
		answer := w.send(request{line: line, token: made.ClientSecret, header: ifNoneMatch(value)})
		if answer.status != want {
			t.Errorf("If-None-Match: %s gives %d, want %d", value, answer.status, want)
		}
		for name, value := range map[string]string{
			"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Origin",
		} {
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

// rewritten is an ETag with something more inside its quotes.
func rewritten(tag, suffix string) string { return strings.TrimSuffix(tag, `"`) + suffix + `"` }

// forms are the headers that name an ETag, as clients send them and as proxies rewrite them.
func forms(tag string) []string {
	all := []string{
		tag, "W/" + tag, "*", `"1", ` + tag + ` , "2"`, tag + ",", `, ,` + tag, `x, ` + tag, `"a,b",W/"c",` + tag,
		"\"\u00e9\"\t, " + tag,
	}
	for _, suffix := range []string{"-gzip", "--gzip", "-br", "--br", ";gzip", ";br", "-zstd", "-deflate"} {
		all = append(all, rewritten(tag, suffix), "W/"+rewritten(tag, suffix), `"1-gzip", `+rewritten(tag, suffix))
	}
	return all
}

// TestWaitHoldsWhatProxiesRewrote: an ETag that a proxy has rewritten still names the version, so the request
// is held. Otherwise each response would come at once, and the page would poll without a pause.
func TestWaitHoldsWhatProxiesRewrote(t *testing.T) {
	parkedAndNot(t, waitHoldsWhatProxiesRewrote)
}

func waitHoldsWhatProxiesRewrote(t *testing.T, w *apiEnv) {
	t.Helper()
	made := w.create("shop-1")
	line := "GET /v1/payments/" + made.PaymentIntent + "?wait=25"
	answers := make(chan reply)
	all := forms(etagOf(made))
	for _, value := range all {
		go func() {
			answers <- w.send(request{line: line, token: made.ClientSecret, header: ifNoneMatch(value)})
		}()
	}
	w.awaitHeld(len(all))
	if answer := w.hold(made, "?wait=1"); answer.status != http.StatusNotModified {
		t.Errorf("%d: %s", answer.status, answer.body)
	}
	select {
	case answer := <-answers:
		t.Errorf("one was answered at once: %d", answer.status)
	default:
	}
	close(w.draining)
	for range all {
		if answer := <-answers; answer.status != http.StatusNotModified {
			t.Errorf("%d: %s", answer.status, answer.body)
		}
	}
}

func etagOf(made opened) string { return `"` + strconv.FormatInt(made.Version, 10) + `"` }

// hold requests the status with the newest version.
func (w *apiEnv) hold(made opened, query string) reply {
	return w.send(request{
		line: "GET /v1/payments/" + made.PaymentIntent + query, token: made.ClientSecret,
		header: ifNoneMatch(etagOf(made)),
	})
}

// held does the same with the longest wait, and returns the response when it comes.
func (w *apiEnv) held(made opened) <-chan reply {
	answer := make(chan reply, 1)
	go func() { answer <- w.hold(made, "?wait=25") }()
	return answer
}

// answeredBefore fails if the held request has already been answered.
func answeredBefore(t *testing.T, long <-chan reply) {
	t.Helper()
	select {
	case <-long:
		t.Error("one that is held for 25 s was answered before")
	default:
	}
}

func TestWaitEndsAtItsTime(t *testing.T) {
	parkedAndNot(t, waitEndsAtItsTime)
}

func waitEndsAtItsTime(t *testing.T, w *apiEnv) {
	t.Helper()
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
	parkedAndNot(t, waitHoldsNothingElse)
}

func waitHoldsNothingElse(t *testing.T, w *apiEnv) {
	t.Helper()
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
	parkedAndNot(t, waitEndsAtAChange)
}

func waitEndsAtAChange(t *testing.T, w *apiEnv) {
	t.Helper()
	w.deliverWebhooks()
	made := w.create("shop-1")
	long := w.held(made)
	w.awaitHeld(1)
	if err := w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method"); err != nil {
		t.Fatal(err)
	}
	answer := <-long
	if answer.status != http.StatusOK || !strings.Contains(answer.body, `"state":"failed"`) {
		t.Errorf("%d: %s", answer.status, answer.body)
	}
}

// TestDrainingEndsWaits has one that is held, and one that comes later.
func TestDrainingEndsWaits(t *testing.T) {
	parkedAndNot(t, drainingEndsWaits)
}

func drainingEndsWaits(t *testing.T, w *apiEnv) {
	t.Helper()
	made := w.create("shop-1")
	long := w.held(made)
	w.awaitHeld(1)
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
