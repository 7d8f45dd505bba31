package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a program that this one started. It is ended by its id, at the latest when its round ends.
type process struct {
	command *exec.Cmd
	log     string        // the file with all that it printed
	ended   chan struct{} // closed when it has ended
}

var started atomic.Int64 // processes so far: no two logs have one name

// start runs a program in the directory with nothing but the environment that it is given.
func start(dir, program string, env []string, args ...string) (*process, error) {
	p := &process{ended: make(chan struct{})}
	p.log = filepath.Join(dir, fmt.Sprintf("%s-%d.log", filepath.Base(program), started.Add(1)))
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.command = exec.Command(program, args...)
	p.command.Dir, p.command.Env, p.command.Stdout, p.command.Stderr = dir, env, out, out
	p.command.SysProcAttr = bound()
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // exitCode says how
	}()
	return p, nil
}

// said waits for a line of the log, and returns its groups.
func (p *process) said(ctx context.Context, line *regexp.Regexp) ([]string, error) {
	var found []string
	err := eventually(ctx, func() error {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		if found = line.FindStringSubmatch(string(text)); found != nil {
			return nil
		}
		if p.hasEnded() {
			return errors.Join(errGaveUp, fmt.Errorf("%s ended: %s", p.command.Path, tail(p.log)))
		}
		return fmt.Errorf("%s has not said %s", p.command.Path, line)
	})
	return found, err
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// signal sends one signal; a process that has ended hears nothing.
func (p *process) signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// kill ends the process as a crash would, and waits for its end.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// terminate asks the process to stop, and fails unless it ends well.
func (p *process) terminate(ctx context.Context) error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("process %d did not end: %w", p.command.Process.Pid, ctx.Err())
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process %d ended with %d: %s", p.command.Process.Pid, code, tail(p.log))
	}
	return nil
}

// tail is the end of a log.
func tail(path string) string {
	const most = 2000
	text, _ := os.ReadFile(path)
	return string(text[max(0, len(text)-most):])
}

// errGaveUp ends an eventually early: the condition can no longer be met.
var errGaveUp = errors.New("in vain")

// patience is the deadline of every wait. It is generous, since the machine may be busy, and since Kasse repeats a question to
// Stripe that failed after a minute; only a broken run meets it.
const patience = 150 * time.Second

// eventually waits for a condition, which gives its reason while it is not met.
func eventually(ctx context.Context, met func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	for {
		now := met()
		if now == nil || errors.Is(now, errGaveUp) {
			return now
		}
		if err == nil || ctx.Err() == nil { // the last try was cut off, and tells nothing
			err = now
		}
		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// pause waits, and reports whether the context still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
