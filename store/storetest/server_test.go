package storetest

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// send sends one inline command and returns the first line of the reply.
func send(t *testing.T, url, command string) string {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func expect(t *testing.T, url, command, want string) {
	t.Helper()
	if got := send(t, url, command); got != want {
		t.Errorf("%s: got %s, want %s", command, got, want)
	}
}

func TestRedisServerEndsWithItsTest(t *testing.T) {
	var url string
	t.Run("runs", func(t *testing.T) {
		url = RedisServer(t)
		expect(t, url, "PING", "+PONG")
	})
	address := strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")
	if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		conn.Close()
		t.Errorf("%s still answers", url)
	}
}

func TestServersDoNotShareData(t *testing.T) {
	one, two := RedisServer(t), RedisServer(t)
	expect(t, one, "SET key 1", "+OK")
	expect(t, two, "EXISTS key", ":0")
}

func TestServerRestartsOnItsPort(t *testing.T) {
	tests := map[string]struct {
		args []string
		kept string
	}{
		"empty":                    {nil, ":0"},
		"with acknowledged writes": {[]string{"--appendonly", "yes", "--appendfsync", "always"}, ":1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := NewServer(t, test.args...)
			url := server.URL()
			expect(t, url, "SET key 1", "+OK")
			server.Kill()
			server.Restart()
			if server.URL() != url {
				t.Errorf("the address was %s and is %s after a restart", url, server.URL())
			}
			expect(t, url, "EXISTS key", test.kept)
		})
	}
}
