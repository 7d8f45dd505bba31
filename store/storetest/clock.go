package storetest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed clock/clock.c
var clockSource []byte

// Clock is the clock of a redis-server that NewTimedServer has started.
type Clock struct {
	t       testing.TB
	file    string // offset in microseconds; the server reads it at each use of its clock
	library string // preloaded into the server
}

// NewTimedServer is NewServer with an offset between its clock and the machine's. It skips the test without a
// C compiler or Linux, since the clock is a library preloaded into redis-server.
func NewTimedServer(t testing.TB, offset time.Duration, args ...string) (*Server, *Clock) {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler for the clock of redis-server")
	}
	dir := t.TempDir()
	c := &Clock{t: t, file: filepath.Join(dir, "offset"), library: filepath.Join(dir, "clock.so")}
	source := filepath.Join(dir, "clock.c")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(compiler, "-shared", "-fPIC", "-O2", "-o", c.library, source)
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the clock of redis-server cannot be built here: %v\n%s", err, out)
	}
	c.Set(offset)
	s := prepare(t, args...)
	s.Env = append(s.Env, "LD_PRELOAD="+c.library, "REDIS_CLOCK="+c.file)
	s.run()
	return s, c
}

// Set sets the offset of the server's clock from the machine's.
func (c *Clock) Set(offset time.Duration) {
	c.t.Helper()
	file, err := os.OpenFile(c.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	micros := binary.NativeEndian.AppendUint64(nil, uint64(offset.Microseconds())) // two's complement
	if _, err := file.WriteAt(micros, 0); err != nil {
		c.t.Fatal(err)
	}
}
