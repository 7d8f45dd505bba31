package push_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// BenchmarkPush counts events per second to a fast receiver, while another endpoint's receiver hangs.
// Receiver and relay share the processors; with -cpu 1 they share one core.
func BenchmarkPush(b *testing.B) {
	w := newPushEnv(b)
	var got atomic.Int64
	all := make(chan struct{})
	quick := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if got.Add(1) == int64(b.N) {
			close(all)
		}
	}))
	defer quick.Close()
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hung.Close()
	defer close(release)
	register := w.relay(w.endpoint(hung.URL), w.endpoint(quick.URL)) // the endpoints must exist before the events
	register()
	const payments = 100
	w.appendEvents(payments, (b.N+payments-1)/payments)
	b.ResetTimer()
	stop := w.relay(w.endpoint(hung.URL), w.endpoint(quick.URL))
	<-all
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	stop()
}
