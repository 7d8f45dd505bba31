package process_test

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"kasse/test/logbuffer"
	"kasse/test/wait"
)

// process is one running program, which ends with the test at the latest.
type process struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr *logbuffer.Buffer
	ended          chan struct{} // closed when the process has ended and all it printed is here
	public, admin  string        // base URLs of a server
	client         *http.Client
}

// in is the same process for a subtest.
func (p *process) in(t *testing.T) *process {
	t.Helper()
	same := *p
	same.t = t
	return &same
}

// run starts a program whose environment is env only. Its output is shown if the test fails, and a detected
// data race fails the test.
func run(t *testing.T, path string, env map[string]string, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, command: exec.Command(path, args...), stdout: &logbuffer.Buffer{}, stderr: &logbuffer.Buffer{},
		ended: make(chan struct{}),
	}
	p.command.Stdout, p.command.Stderr = p.stdout, p.stderr
	p.command.Dir = t.TempDir()
	p.command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.command.Dir, "TMPDIR=" + os.TempDir()}
	for name, value := range env {
		if value != "" {
			p.command.Env = append(p.command.Env, name+"="+value)
		}
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // exitCode is its exit code
	}()
	t.Cleanup(p.inquest)
	return p
}

// inquest ends the process if it still runs, and looks at what it left.
func (p *process) inquest() {
	p.kill()
	log := p.stderr.String()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "goroutine ") {
		p.t.Errorf("process %d: a data race or a panic", p.command.Process.Pid)
	}
	if p.t.Failed() {
		const most = 10_000
		p.t.Logf(
			"%v, process %d, exit code %d, said:\n%s%s", p.command.Args[1:], p.command.Process.Pid,
			p.command.ProcessState.ExitCode(), p.stdout.String(), log[max(0, len(log)-most):],
		)
	}
}

// kill ends the process as a crash would, and waits for its end.
func (p *process) kill() {
	_ = p.command.Process.Kill() // an error means that it has ended
	<-p.ended
}

// terminate asks the process to stop, as an orchestrator does.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exitCode waits for the end of the process.
func (p *process) exitCode() int {
	p.t.Helper()
	wait.Until(p.t, "the end of the process", func() error { return yet(p.hasEnded()) })
	return p.command.ProcessState.ExitCode()
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// listening is the log line that names the addresses, in either format.
var listening = regexp.MustCompile(`\blistening\b.*\bpublic[":=]+([0-9.]+:[0-9]+).*\badmin[":=]+([0-9.]+:[0-9]+)`)

// awaitListening waits for the log line that names the addresses.
func (p *process) awaitListening() {
	p.t.Helper()
	wait.Until(p.t, "the line that names the addresses", func() error {
		if p.hasEnded() {
			p.t.Fatal("the process ended at once")
		}
		found := listening.FindStringSubmatch(p.stderr.String())
		if found == nil {
			return wait.ErrNotYet
		}
		p.public, p.admin = "http://"+found[1], "http://"+found[2]
		return nil
	})
}

func (p *process) awaitReady() {
	p.t.Helper()
	wait.Until(p.t, "readiness", func() error {
		if p.hasEnded() {
			p.t.Fatal("the process ended before it was ready")
		}
		return yet(p.probe("/readyz") == http.StatusOK)
	})
}

// probe requests a path of the admin port; 0 means no response.
func (p *process) probe(path string) int {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.admin+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
