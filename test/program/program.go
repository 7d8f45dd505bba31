// Package program runs programs for tests. It ends each by its process id. Each also ends with the test's process.
package program

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

	"kasse/test/wait"
)

// Process is a child process.
type Process struct {
	command *exec.Cmd
	Log     string        // path of the file with its output
	ended   chan struct{} // closed when the process has ended
}

var started atomic.Int64 // processes so far; makes log names unique

// Start runs a program in the directory. Its environment is env only.
func Start(dir, program string, env []string, args ...string) (*Process, error) {
	p := &Process{ended: make(chan struct{})}
	p.Log = filepath.Join(dir, fmt.Sprintf("%s-%d.log", filepath.Base(program), started.Add(1)))
	out, err := os.Create(p.Log)
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
		_ = p.command.Wait() // Wait and Terminate report the exit status
	}()
	return p, nil
}

// AwaitLine waits for a matching line of the log and returns its submatches.
func (p *Process) AwaitLine(ctx context.Context, line *regexp.Regexp) ([]string, error) {
	var found []string
	err := wait.For(ctx, func() error {
		text, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		if found = line.FindStringSubmatch(string(text)); found != nil {
			return nil
		}
		if p.HasEnded() {
			return errors.Join(wait.ErrGaveUp, fmt.Errorf("%s ended: %s", p.command.Path, Tail(p.Log)))
		}
		return fmt.Errorf("%s has not printed %s", p.command.Path, line)
	})
	return found, err
}

// HasEnded reports whether the process has ended.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Signal sends one signal. It does nothing after the process's end.
func (p *Process) Signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// PID returns the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Wait waits until the process ends by itself, and returns an error unless its exit status is 0.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.exitError()
}

// Terminate sends SIGTERM and waits. It returns an error unless the exit status is 0.
func (p *Process) Terminate(ctx context.Context) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("process %d did not end: %w", p.command.Process.Pid, ctx.Err())
	}
	return p.exitError()
}

// exitError returns an error unless the exit status is 0. The process must have ended.
func (p *Process) exitError() error {
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process %d ended with exit code %d: %s", p.command.Process.Pid, code, Tail(p.Log))
	}
	return nil
}

// Tail returns the end of a log.
func Tail(path string) string {
	const most = 2000
	text, _ := os.ReadFile(path)
	return string(text[max(0, len(text)-most):])
}
