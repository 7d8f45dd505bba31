package process_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// A server is killed with deliveries in the air. Another one that runs beside it takes them over; nothing is
// started by hand.
func TestTakeoverOfDeliveries(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	var mu sync.Mutex
	got, held, dead := map[string]bool{}, make(chan struct{}, 1000), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then a server notices that its client has gone
		held <- struct{}{}
		<-dead
		if r.Context().Err() != nil {
			return // the sender is no more
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.Header.Get("Webhook-Id")] = true
	}))
	defer receiver.Close()
	pushing := map[string]string{"EVENT_ENDPOINTS": receiver.URL + "=" + endpointSecret, "EVENT_ALLOW_PRIVATE": "true"}
	first := w.serve(1, pushing)[0]
	ids := w.writeEvents(1, 40)
	<-held
	w.start(pushing).awaitReady()
	first.kill()
	killed := time.Now()
	close(dead)
	wait.Until(t, "every event at the other server", func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if !got[id] {
				return fmt.Errorf("%d of %d have come", len(got), len(ids))
			}
		}
		return nil
	})
	t.Logf(
		"%d events were delivered by the other server %s after the kill", len(ids),
		time.Since(killed).Round(time.Millisecond),
	)
}
