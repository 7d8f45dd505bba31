package push

import (
	"encoding/json"
	"slices"
	"testing"

	"kasse/service/payment"
)

// TestOrderOf: the queue of an event is that of its order. Metadata of the shop cannot change it.
func TestOrderOf(t *testing.T) {
	for data, want := range map[string]string{
		`{"payment_intent":"pi_1","order_id":"shop-1","metadata":{"order_id":"other"}}`: "shop-1",
		`{"payment_intent":"pi_1","order_id":"A.b:c_d"}`:                                "A.b:c_d",
		`{"payment_intent":"pi_1"}`:                                                     "pi_1",
		`{"order_id":"`:                                                                 "pi_1",
		``:                                                                              "pi_1",
	} {
		if got := orderOf(payment.FeedEvent{ID: "pi_1.17", Data: []byte(data)}); got != want {
			t.Errorf("%s: got %q, want %q", data, got, want)
		}
	}
}

// TestWithoutMetadata: only the view's own member metadata is emptied. All other bytes stay as they are.
func TestWithoutMetadata(t *testing.T) {
	for view, want := range map[string]string{
		`{"a":1e3,"metadata":{"k":"v"},"b":[{"metadata":{"x":"y"}}]}`: `{"a":1e3,"metadata":{},"b":[{"metadata":` +
			`{"x":"y"}}]}`,
		`{"b":{"metadata":{"x":"y"}},"metadata": {"k":"}"} }`: `{"b":{"metadata":{"x":"y"}},"metadata": {} }`,
		`{"a":"\"metadata\":{}"}`:                             `{"a":"\"metadata\":{}"}`,
	} {
		got, err := withoutMetadata([]byte(view))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", view, got, err, want)
		}
	}
	for _, view := range []string{``, `[`, `{"a":`, `{"metadata":{`} {
		if got, err := withoutMetadata([]byte(view)); err == nil {
			t.Errorf("%s: got %s, want an error", view, got)
		}
	}
}

// TestBodyIsJSON: for any stream entry encode returns valid JSON or an error.
func TestBodyIsJSON(t *testing.T) {
	body, err := encode(payment.FeedEvent{ID: "a\"b\n", Type: "x\\", Data: []byte(`{}`)})
	if err != nil || !json.Valid(body) {
		t.Errorf("got %s, %v; want JSON", body, err)
	}
	if body, err = encode(payment.FeedEvent{ID: "a", Data: []byte(`{"a":1}}`)}); err == nil {
		t.Errorf("a view that is not JSON: got %s, want an error", body)
	}
}

// TestQueueOrder: deliveries of one order are queued in the order of the stream, after the one that is
// under way.
func TestQueueOrder(t *testing.T) {
	delivery := func(entry string, retry bool) Delivery {
		return Delivery{Event: payment.FeedEvent{Entry: entry, ID: "pi_1.1"}, Retry: retry}
	}
	var q partitionQueue
	started := q.add(t.Context(), []Delivery{delivery("99-9", false), delivery("100-10", false)})
	started = append(started, q.add(t.Context(), []Delivery{
		delivery("98-1", true), delivery("100-9", true), delivery("100-9", true), delivery("100-10", false),
		delivery("101-0", false),
	})...)
	if !slices.Equal(started, []string{"pi_1"}) {
		t.Errorf("started %v", started)
	}
	if first, retries := q.held(); first != 3 || retries != 2 {
		t.Errorf("the queue has %d first deliveries and %d retries, want 3 and 2", first, retries)
	}
	var got []string
	for more := true; more; {
		_, d := q.head("pi_1")
		q.drop(d)
		got = append(got, d.Event.Entry)
		more = q.next("pi_1")
	}
	if want := []string{"99-9", "98-1", "100-9", "100-10", "101-0"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAppended: Take returns each added partition once. A partition that is added later gives another hint.
func TestAppended(t *testing.T) {
	a := NewAppended()
	for _, n := range []int{63, 0, 5, 5} {
		a.Add(n)
	}
	<-a.Hints()
	var got []int
	a.Take(func(n int) { got = append(got, n) })
	if !slices.Equal(got, []int{0, 5, 63}) {
		t.Errorf("got %v", got)
	}
	a.Add(5)
	<-a.Hints()
	a.Take(func(n int) { got = append(got, n) })
	a.Take(func(n int) { t.Errorf("partition %d is returned again", n) })
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

// TestRetryDelay: each delay is that of the schedule, plus or minus a tenth, or the endpoint's Retry-After up to a
// day.
func TestRetryDelay(t *testing.T) {
	for tries, planned := range retryDelays {
		for range 100 {
			if delay, asked := retryDelay(tries, 0); asked || delay < planned*9/10 || delay > planned*11/10 {
				t.Fatalf("after %d tries the delay is %s", tries, delay)
			}
		}
	}
	if delay, asked := retryDelay(0, 100*maxRetryAfter); !asked || delay != maxRetryAfter {
		t.Errorf("a long Retry-After: %s, set by the endpoint %t", delay, asked)
	}
	if delay, asked := retryDelay(5, 1); asked || delay < maxRetryAfter/60 {
		t.Errorf("a Retry-After shorter than the schedule: %s, set by the endpoint %t", delay, asked)
	}
	if !lastTry(len(retryDelays)) || lastTry(len(retryDelays)-1) {
		t.Error("the last try is not the one after the last delay")
	}
}
