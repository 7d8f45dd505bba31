package process_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// TestDeliveriesOfKilledServerAreTakenOver: a server is killed during its deliveries. The server
// that runs beside it delivers these events.
func TestDeliveriesOfKilledServerAreTakenOver(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	var mu sync.Mutex
	got, held, killed := map[string]bool{}, make(chan struct{}, 1000), make(chan struct{})
	var secondStarted atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		onlyFirst := !secondStarted.Load()
		_, _ = io.Copy(io.Discard, r.Body) // the context ends with the connection only after the whole body
		held <- struct{}{}
		<-killed
		if onlyFirst {
			<-r.Context().Done() // the delivery of the killed server is never acknowledged
		}
		if r.Context().Err() != nil {
			return
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
	secondStarted.Store(true)
	w.start(pushing).awaitReady()
	first.kill()
	at := time.Now()
	close(killed)
	wait.Until(t, "a delivery of every event by the second server", func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if !got[id] {
				return fmt.Errorf("%d of %d events were delivered", len(got), len(ids))
			}
		}
		return nil
	})
	t.Logf("the second server delivered %d events within %s", len(ids), time.Since(at).Round(time.Millisecond))
}
