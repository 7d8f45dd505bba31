// Package redisserver starts redis-server, for tests and for programs.
package redisserver

import (
	"context"
	"net"
	"os/exec"
	"regexp"
	"strconv"

	"kasse/test/program"
)

// Server is a redis-server, or a sentinel, with its own directory.
type Server struct {
	Dir     string           // directory of its data, configuration and log
	Config  string           // a configuration file that the server rewrites; empty: none
	Args    []string         // arguments of redis-server, without --port
	Env     []string         // its whole environment
	Ready   *regexp.Regexp   // the log line of a started server; nil: that of redis-server
	Port    int              // 0: Start chooses a free one
	Process *program.Process // nil before Start
}

var ready = regexp.MustCompile(`Ready to accept connections`)

// Start returns when the server has started. After an error nothing is left running. The error is exec.ErrNotFound if
// redis-server is not installed.
func (s *Server) Start(ctx context.Context) error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	if s.Port != 0 {
		return s.startAt(ctx, path, s.Port)
	}
	for range 5 { // another process may take the free port before Redis binds it
		var port int
		if port, err = FreePort(); err != nil {
			return err
		}
		if err = s.startAt(ctx, path, port); err == nil {
			return nil
		}
	}
	return err
}

func (s *Server) startAt(ctx context.Context, path string, port int) error {
	args := append([]string{"--port", strconv.Itoa(port)}, s.Args...)
	if s.Config != "" {
		args = append([]string{s.Config}, args...)
	}
	process, err := program.Start(s.Dir, path, s.Env, args...)
	if err != nil {
		return err
	}
	line := s.Ready
	if line == nil {
		line = ready
	}
	if _, err = process.AwaitLine(ctx, line); err != nil {
		process.Kill()
		return err
	}
	s.Process, s.Port = process, port
	return nil
}

// Addr returns the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// FreePort returns a loopback port on which no process listens at the moment.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
