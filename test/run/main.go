// Command run is `go test` with progress. It prints a line for each finished package, a line every 15 s for each
// package that still runs, and the whole output of failures. It takes the flags and packages of `go test` and exits
// with its status.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// period is the interval between two lines about a running package.
const period = 15 * time.Second

func main() {
	code, err := run(context.Background(), os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs `go test -json` with the arguments and returns its exit code. A Ctrl-C in the terminal also
// reaches `go test`, which then ends its tests.
func run(ctx context.Context, args []string, out io.Writer) (code int, err error) {
	// One package more than processors, since some mostly wait.
	first := []string{"test", "-json", "-p", strconv.Itoa(runtime.NumCPU() + 1)}
	command := exec.CommandContext(ctx, "go", append(first, args...)...)
	command.Stderr = os.Stderr
	events, err := command.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := command.Start(); err != nil {
		return 0, err
	}
	err = newReport(out, time.Now).follow(events, time.Tick(period))
	var ended *exec.ExitError
	if waited := command.Wait(); waited != nil && !errors.As(waited, &ended) {
		return 0, errors.Join(err, waited)
	}
	return command.ProcessState.ExitCode(), err
}
