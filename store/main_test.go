package store_test

import (
	"log/slog"
	"testing"

	"kasse/store"
)

// TestMain discards the log of go-redis, since these tests often stop its Redis.
func TestMain(m *testing.M) {
	store.LogTo(slog.New(slog.DiscardHandler))
	m.Run()
}
