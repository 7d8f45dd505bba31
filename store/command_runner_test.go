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

// commandLog is an observer that records the names of the commands.
type commandLog struct {
	mu       sync.Mutex
	commands []string
}

func (l *commandLog) CommandRun(_ context.Context, command string, _ time.Time, _ time.Duration, _ bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, command)
}

func (l *commandLog) count(command string) (count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.commands {
		if one == command {
			count++
		}
	}
	return count
}

// TestPipelineIsObservedOnce: a command is observed once, by its own name, also if it is sent in a pipeline.
func TestPipelineIsObservedOnce(t *testing.T) {
	url := storetest.RedisServer(t)
	for _, pipelined := range []bool{false, true} {
		log := &commandLog{}
		o := options
		o.AutoPipeline, o.Observer, o.Readers = pipelined, log, readers(t, "single", url, false)
		s := store.New(connect(t, url), o)
		_, _ = s.LoadView(t.Context(), "pi_1")
		if got := log.count("get"); got != 1 {
			t.Errorf("pipelined %t: the command was observed %d times", pipelined, got)
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
		t.Error("a command with a canceled context was sent")
	}
	if due, err := s.ReadsDue(t.Context()); err != nil || due != 0 {
		t.Errorf("%d reads are due, %v; want none", due, err)
	}
	if _, err := s.QueueRead(t.Context(), "pi_here"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
