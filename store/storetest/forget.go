package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service/payment"
)

// personal writes a transition of the payment whose view has metadata of a person, and returns the event's id.
func (f fixture) personal(t testing.TB, id payment.ID, name string) string {
	t.Helper()
	o, now := f.load(t, payment.Ref{Order: OrderOf(id)}, id)
	o, c := Transition(o, id, now)
	v, err := payment.DecodeView(c.Views[0].JSON)
	Must(t, err)
	v.Attempt, v.Metadata = 1, map[string]string{"name": name}
	o.Loaded[id].Record.Created = now.Unix()
	c.Events[0].Data = v.JSON()
	f.save(t, o, c)
	return c.Events[0].ID
}

// forgets removes an order's personal data from the stream, and returns how many entries were appended again.
func (f fixture) forgets(t testing.TB, id payment.ID) int {
	t.Helper()
	o := f.order(t, OrderOf(id), id)
	o.Forgotten = 1
	count, err := f.ForgetEvents(t.Context(), o)
	Must(t, err)
	return count
}

func (connect connector) testForget(t *testing.T) {
	t.Run("removes personal data from all entries, and loses none", connect.forgetRemovesPersonalData)
	t.Run("sends an endpoint only events that it has not received", connect.forgetSendsEndpoints)
	t.Run("changes nothing of an order that was written meanwhile", connect.forgetLeavesWrittenOrders)
	t.Run("keeps entries of attempts that are not forgotten", connect.forgetKeepsOtherAttempts)
}

func (connect connector) forgetRemovesPersonalData(t *testing.T) {
	f := fresh(t, connect)
	ids := neighbours(2)
	before := f.put(t, ids[0])
	first := f.personal(t, ids[0], "Ada")
	other := f.personal(t, ids[1], "Bob")
	_, cursor := f.rest(t, "", 10)
	second := f.personal(t, ids[0], "Ada")
	made := f.page(t, "", 10).Events[1].CreatedAt
	if got := f.forgets(t, ids[0]); got != 2 {
		t.Fatalf("%d entries were appended again, want 2", got)
	}
	all, _ := f.rest(t, "", 10)
	if want := []string{before, other, first, second}; !slices.Equal(all, want) {
		t.Errorf("the feed has %v, want %v", all, want)
	}
	if late, _ := f.rest(t, cursor, 10); !slices.Equal(late, []string{first, second}) {
		t.Errorf("after a cursor from before that, the feed has %v", late)
	}
	if e := f.page(t, "", 10).Events[2]; !e.Restored || !e.CreatedAt.Equal(made) ||
		!strings.Contains(string(e.Data), `"metadata":{}`) {
		t.Errorf("got %+v, want the event of %s without metadata, restored", e, made)
	}
	text := fmt.Sprint(DumpAll(t.Context(), f.client))
	if strings.Contains(text, "Ada") || !strings.Contains(text, "Bob") {
		t.Errorf("Redis has %s", text)
	}
	if got := f.forgets(t, ids[0]); got != 0 {
		t.Errorf("a second call appended %d entries, want none", got)
	}
}

func (connect connector) forgetSendsEndpoints(t *testing.T) {
	f := fresh(t, connect)
	Must(t, f.RegisterEndpoint(t.Context(), shopEndpoint))
	id := payment.ID("pi_1")
	var events []string
	for range 4 {
		events = append(events, f.personal(t, id, "Ada"))
	}
	given := f.claim(t, "a", time.Second, 3, 0).First
	f.finish(t, shopEndpoint, given[0])
	f.retry(t, given[1], time.Hour, false)
	if got := f.forgets(t, id); got != 4 {
		t.Fatalf("%d entries were appended again, want 4", got)
	}
	work := f.claim(t, "b", time.Second, 10, 10)
	if !work.Elsewhere { // the third was under way, and its owner may be alive
		t.Error("the partition no longer has an owner")
	}
	work = f.claim(t, "a", time.Second, 10, 10)
	var sent, waiting []string
	for _, d := range work.First {
		if slices.Contains(d.Event.Sent, shopEndpoint.Group()) {
			sent = append(sent, d.Event.ID)
		} else {
			waiting = append(waiting, d.Event.ID)
		}
	}
	if !slices.Equal(sent, events[:1]) || !slices.Equal(waiting, events[1:]) || len(work.Retries) > 0 ||
		work.Lost > 0 {
		t.Errorf("not sent again %v, waiting %v, retries %v, %d lost; the events are %v",
			sent, waiting, work.Retries, work.Lost, events)
	}
	f.finish(t, shopEndpoint, work.First...)
	if work := f.claim(t, "b", time.Second, 10, 10); work.Waiting > 0 || work.Lost > 0 ||
		len(work.First)+len(work.Retries) > 0 {
		t.Errorf("after all deliveries: %+v", work)
	}
}

func (connect connector) forgetLeavesWrittenOrders(t *testing.T) {
	f := fresh(t, connect)
	f.personal(t, "pi_1", "Ada")
	o := f.order(t, "o_1", "pi_1")
	o.Forgotten = 1
	f.put(t, "pi_1")
	dump := DumpAll(t.Context(), f.client)
	if _, err := f.ForgetEvents(t.Context(), o); !errors.Is(err, payment.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	unchanged(t, dump, DumpAll(t.Context(), f.client))
}

func (connect connector) forgetKeepsOtherAttempts(t *testing.T) {
	f := fresh(t, connect)
	f.personal(t, "pi_1", "Ada")
	o := f.order(t, "o_1", "pi_1")
	if count, err := f.ForgetEvents(t.Context(), o); count != 0 || err != nil { // nothing is forgotten yet
		t.Errorf("%d entries, %v", count, err)
	}
}
