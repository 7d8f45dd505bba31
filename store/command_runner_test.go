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

// exchanges notes what it observes.
type exchanges struct {
	mu       sync.Mutex
	commands []string
}

func (h *exchanges) CommandRun(_ context.Context, command string, _ time.Time, _ time.Duration, _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commands = append(h.commands, command)
}

func (h *exchanges) count(command string) (count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.commands {
		if one == command {
			count++
		}
	}
	return count
}

// TestPipelineIsObservedOnce: a command that went in a pipeline is observed once, by its own name.
func TestPipelineIsObservedOnce(t *testing.T) {
	url := storetest.RedisServer(t)
	for _, pipelined := range []bool{false, true} {
		h := &exchanges{}
		o := options
		o.AutoPipeline, o.Observer, o.Readers = pipelined, h, readers(t, "single", url, false)
		s := store.New(connect(t, url), o)
		_, _ = s.LoadView(t.Context(), "pi_1")
		if got := h.count("get"); got != 1 {
			t.Errorf("pipelined %t: it was observed %d times", pipelined, got)
		}
	}
}

// TestPipelineRejectsCanceledContext: a command whose context has ended is not sent.
func TestPipelineRejectsCanceledContext(t *testing.T) {
	url := storetest.RedisServer(t)
	o := options
	o.AutoPipeline = true
	s := store.New(connect(t, url), o)
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.QueueRead(canceled, "pi_canceled"); err == nil {
		t.Error("it was sent")
	}
	if due, err := s.ReadsDue(t.Context()); err != nil || due != 0 {
		t.Error(due, err)
	}
	if _, err := s.QueueRead(t.Context(), "pi_here"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
