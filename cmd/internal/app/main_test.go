package app

import (
	"log/slog"
	"testing"

	"kasse/store"
)

// TestMain silences go-redis: some of these tests take Redis away from it.
func TestMain(m *testing.M) {
	store.LogTo(slog.New(slog.DiscardHandler))
	m.Run()
}
