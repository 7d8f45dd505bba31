package testenv

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

// Process is a program that this one started. It is ended by its id.
type Process struct {
	command *exec.Cmd
	Log     string        // the file with all that it printed
	ended   chan struct{} // closed when it has ended
}

var started atomic.Int64 // processes so far: no two logs have one name

// Start runs a program in the directory with nothing but the environment that it is given.
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
		_ = p.command.Wait() // exitCode says how
	}()
	return p, nil
}

// Said waits for a line of the log, and returns its groups.
func (p *Process) Said(ctx context.Context, line *regexp.Regexp) ([]string, error) {
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
		return fmt.Errorf("%s has not said %s", p.command.Path, line)
	})
	return found, err
}

// HasEnded reports whether the program runs no more.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Signal sends one signal; it does nothing once the process has ended.
func (p *Process) Signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// Kill ends the process as a crash would, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// PID is the number that the system knows the process by.
func (p *Process) PID() int { return p.command.Process.Pid }

// Wait waits for the process's own end, and fails unless it ends well.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process %d ended with %d: %s", p.command.Process.Pid, code, Tail(p.Log))
	}
	return nil
}

// Terminate asks the process to stop, and fails unless it ends well.
func (p *Process) Terminate(ctx context.Context) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("process %d did not end: %w", p.command.Process.Pid, ctx.Err())
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process %d ended with %d: %s", p.command.Process.Pid, code, Tail(p.Log))
	}
	return nil
}

// Tail is the end of a log.
func Tail(path string) string {
	const most = 2000
	text, _ := os.ReadFile(path)
	return string(text[max(0, len(text)-most):])
}
