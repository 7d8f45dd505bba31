package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"kasse/store"
	"kasse/store/storetest"
)

// heard notes what it is told of.
type heard struct {
	mu       sync.Mutex
	commands []string
}

func (h *heard) Exchanged(_ context.Context, command string, _ time.Time, _ time.Duration, _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commands = append(h.commands, command)
}

func (h *heard) count(command string) (count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.commands {
		if one == command {
			count++
		}
	}
	return count
}

// TestDoorTellsOnce: a question that went in a pipeline is observed once, as what was asked.
func TestDoorTellsOnce(t *testing.T) {
	url := storetest.RedisServer(t)
	for _, pipelined := range []bool{false, true} {
		h := &heard{}
		o := options
		o.AutoPipeline, o.Observer, o.Readers = pipelined, h, readers(t, "single", url, false)
		s := store.New(connect(t, url), o)
		_, _ = s.LoadView(t.Context(), "pi_door")
		if got := h.count("hmget"); got != 1 {
			t.Errorf("pipelined %t: it was observed %d times", pipelined, got)
		}
	}
}

// TestDoorIsShutToWhoHasGone: who has hung up before asking asks nothing.
func TestDoorIsShutToWhoHasGone(t *testing.T) {
	url := storetest.RedisServer(t)
	o := options
	o.AutoPipeline = true
	s := store.New(connect(t, url), o)
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := s.WantRead(gone, "pi_gone"); err == nil {
		t.Error("it was asked")
	}
	if due, err := s.ReadsDue(t.Context()); err != nil || due != 0 {
		t.Error(due, err)
	}
	if err := s.WantRead(t.Context(), "pi_here"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
