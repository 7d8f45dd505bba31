package app

import (
	"log/slog"
	"testing"

	"kasse/store"
)

// TestMain silences go-redis, since some tests stop Redis.
func TestMain(m *testing.M) {
	store.LogTo(slog.New(slog.DiscardHandler))
	m.Run()
}
