package store_test

import (
	"log/slog"
	"testing"

	"kasse/store"
)

// TestMain silences go-redis: these tests take Redis away from it all the time.
func TestMain(m *testing.M) {
	store.LogTo(slog.New(slog.DiscardHandler))
	m.Run()
}
