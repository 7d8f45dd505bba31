package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// TestOutageHasTwoLines: an outage of Redis is logged once at its start and once at its end, however many
// workers fail. Other lines are unchanged.
func TestOutageHasTwoLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		log, outage := logOutages(slog.New(slog.NewJSONHandler(&written, nil)))
		away := &payment.Error{Code: payment.CodeStoreUnavailable, Cause: errors.New("refused")}
		answered := func(after time.Duration) {
			time.Sleep(after)
			outage.succeeded(t.Context())
		}
		lines := func(wanted ...string) {
			t.Helper()
			got := strings.Split(strings.TrimSpace(written.String()), "\n")
			written.Reset()
			if len(got) != len(wanted) {
				t.Fatalf("got %d lines %q, want %d", len(got), got, len(wanted))
			}
			for i, want := range wanted {
				if !strings.Contains(got[i], want) {
					t.Errorf("line %d is %q, want %q", i, got[i], want)
				}
			}
		}
		for range 50 {
			log.With("worker", "reads").Warn("reads: could not claim due reads, retrying", "error", away)
			log.Warn(
				"redis: the client reports a problem with a connection", "message", "failed to dial after 5 attempts",
			)
			answered(100 * time.Millisecond) // another command, another partition
		}
		log.Warn("reads: could not read a payment at Stripe", "error", errors.New("Stripe is away"))
		log.Error("a success is denied", "error", away)
		lines(`"worker":"reads","first":"reads: could not claim due reads, retrying"`,
			"reads: could not read a payment at Stripe",
			"a success is denied")
		time.Sleep(3 * time.Second)
		ended, end := context.WithCancel(t.Context())
		end()
		outage.succeeded(ended) // a worker stops during the outage
		answered(0)
		answered(3 * time.Second)
		lines(`"msg":"background tasks: Redis answers again","after":4900000000,"lines_left_out":99`)
		log.Warn("redis: the client reports a problem with a connection", "message", "an attempt of maintenance")
		log.Warn("reads: could not claim due reads, retrying", "error", away)
		lines("an attempt of maintenance", "background tasks: Redis does not answer")
	})
}
