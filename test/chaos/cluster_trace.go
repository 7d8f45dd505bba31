package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kasse/test/wait"
)

// tracedBytes limits the length of a traced command. The key and the beginning of the values are enough.
const tracedBytes = 400

// trace writes one file for each node, with the commands that the node executes and the state of its replication. It
// ends when stop is called.
func (c *cluster) trace(ctx context.Context) (stop func(), err error) {
	if c.shape.trace == "" {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	stop = func() { cancel(); all.Wait() }
	for n, node := range c.nodes {
		at := filepath.Join(c.shape.trace, fmt.Sprintf("node-%d-%d.log", n, node.Port))
		file, err := os.Create(at)
		if err != nil {
			stop()
			return nil, err
		}
		out := &lines{file: bufio.NewWriterSize(file, 1<<20)}
		all.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { out.commands(ctx, node.Address) })
			both.Go(func() { out.replication(ctx, node.Address) })
			both.Wait()
			out.file.Flush()
			file.Close()
		})
	}
	return stop, nil
}

// lines writes whole lines.
type lines struct {
	mu   sync.Mutex
	file *bufio.Writer
}

func (l *lines) write(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.file, line)
}

// commands traces the commands that a node executes, including those of its scripts and of its master.
func (l *lines) commands(ctx context.Context, address string) {
	for ctx.Err() == nil {
		l.monitor(ctx, address)
		wait.Pause(ctx, 20*time.Millisecond)
	}
}

func (l *lines) monitor(ctx context.Context, address string) {
	conn, err := net.DialTimeout("tcp4", address, time.Second)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		return
	}
	reader := bufio.NewReaderSize(conn, 1<<20)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if len(line) > tracedBytes {
			line = line[:tracedBytes]
		}
		l.write(strings.TrimSpace(line))
	}
}

// replication traces the role and the offsets of a node.
func (l *lines) replication(ctx context.Context, address string) {
	last := ""
	for ctx.Err() == nil {
		now := replicationOf(address)
		if now != last {
			l.write(fmt.Sprintf("+%d.%06d INFO %s", time.Now().Unix(), time.Now().Nanosecond()/1000, now))
			last = now
		}
		wait.Pause(ctx, 50*time.Millisecond)
	}
}

func replicationOf(address string) string {
	conn, err := net.DialTimeout("tcp4", address, time.Second)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("INFO replication\r\n")); err != nil {
		return err.Error()
	}
	reader := bufio.NewReader(conn)
	var fields []string
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		line = strings.TrimSpace(line)
		name, _, found := strings.Cut(line, ":")
		switch {
		case line == "" && len(fields) > 0:
			return strings.Join(fields, " ")
		case found && !strings.Contains(name, "backlog"):
			fields = append(fields, line)
		}
	}
}
