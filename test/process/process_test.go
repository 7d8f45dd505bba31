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

// process is one running program. It ends with the test at the latest.
type process struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr *logbuffer.Buffer
	ended          chan struct{} // closed when the process has ended and its whole output is in stdout and stderr
	public, admin  string        // base URLs of a server
	client         *http.Client
}

// forSubtest returns the same process for a subtest.
func (p *process) forSubtest(t *testing.T) *process {
	t.Helper()
	same := *p
	same.t = t
	return &same
}

// run starts a program whose environment is env only. If the test fails, the log shows the
// program's output. A detected data race fails the test.
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
		_ = p.command.Wait() // the error is the exit code, which exitCode returns
	}()
	t.Cleanup(p.stopAndCheck)
	return p
}

// stopAndCheck ends the process if it still runs. It fails the test after a data race or a panic,
// and logs the output of a failed test.
func (p *process) stopAndCheck() {
	p.kill()
	log := p.stderr.String()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "goroutine ") {
		p.t.Errorf("process %d reports a data race or a panic", p.command.Process.Pid)
	}
	if p.t.Failed() {
		const most = 10_000 // bytes of the log
		p.t.Logf(
			"%v, process %d, exit code %d, printed:\n%s%s", p.command.Args[1:], p.command.Process.Pid,
			p.command.ProcessState.ExitCode(), p.stdout.String(), log[max(0, len(log)-most):],
		)
	}
}

// kill ends the process by SIGKILL, as a crash would, and waits for its end.
func (p *process) kill() {
	_ = p.command.Process.Kill() // an error means that it has already ended
	<-p.ended
}

// terminate sends SIGTERM, as an orchestrator does.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exitCode waits for the end of the process and returns its exit code.
func (p *process) exitCode() int {
	p.t.Helper()
	wait.UntilTrue(p.t, "the end of the process", p.hasEnded)
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

// listening matches the log line with the addresses, in either log format.
var listening = regexp.MustCompile(`\blistening\b.*\bpublic[":=]+([0-9.]+:[0-9]+).*\badmin[":=]+([0-9.]+:[0-9]+)`)

// awaitListening waits for the log line with the addresses.
func (p *process) awaitListening() {
	p.t.Helper()
	wait.Until(p.t, "the log line with the addresses", func() error {
		if p.hasEnded() {
			p.t.Fatal("the process ended before it logged its addresses")
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
	wait.UntilTrue(p.t, "/readyz as 200", func() bool {
		if p.hasEnded() {
			p.t.Fatal("the process ended before it was ready")
		}
		return p.probe("/readyz") == http.StatusOK
	})
}

// probe requests a path of the admin port and returns the status; 0 means no response.
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
