package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConsoleAddress(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "127.0.0.1:8092"},
		{[]string{"-demo"}, "127.0.0.1:0"},
		{[]string{"-demo", "-console-addr", ":8093"}, "127.0.0.1:8093"},
		{[]string{"-console-addr", "[::1]:0"}, "[::1]:0"},
	} {
		o, err := parse(c.args)
		if err != nil || o.consoleAddr != c.want {
			t.Errorf("%q: %q, %v", c.args, o.consoleAddr, err)
		}
	}
	var printed strings.Builder
	(&stack{console: "http://127.0.0.1:8092"}).introduce(&printed)
	if !strings.Contains(printed.String(), "Console  http://127.0.0.1:8092\n") {
		t.Errorf("it prints %q", printed.String())
	}
}

// TestConsoleJoinsTheEndpoints: Kasse pushes to the console and to the endpoints of EVENT_ENDPOINTS or its
// file.
func TestConsoleJoinsTheEndpoints(t *testing.T) {
	const console, mine = "http://127.0.0.1:8092/push=" + pushSecret, "https://shop.example/hook=whsec_x"
	file := filepath.Join(t.TempDir(), "endpoints")
	if err := os.WriteFile(file, []byte(mine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ variable, value, want string }{
		"none":        {"EVENT_ENDPOINTS", "", console},
		"environment": {"EVENT_ENDPOINTS", mine, console + "," + mine},
		"file":        {"EVENT_ENDPOINTS_FILE", file, console + "," + mine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("EVENT_ENDPOINTS", "")
			t.Setenv(c.variable, c.value)
			others, err := configured("EVENT_ENDPOINTS")
			if got := endpoints("http://127.0.0.1:8092", others); err != nil || got != c.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	t.Setenv("EVENT_ENDPOINTS_FILE", file+".gone")
	if _, err := configured("EVENT_ENDPOINTS"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestControlRefusesOtherPages: the simulator's control routes have the console's protection, since they can
// do the same and more.
func TestControlRefusesOtherPages(t *testing.T) {
	w := &stack{}
	o := options{stripeAddr: "127.0.0.1:0", controlAddr: "127.0.0.1:0"}
	_, err := w.startStripe(t.Context(), o, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.stop() })
	for site, want := range map[string]int{"": 200, "same-site": 403, "cross-site": 403} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.control+"/settle", nil)
		if err != nil {
			t.Fatal(err)
		}
		if site != "" {
			request.Header.Set("Sec-Fetch-Site", site)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("a page of %q got %d", site, response.StatusCode)
		}
	}
}
