package http_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kasse/api"
	httpfile "kasse/test/http"
)

// patience limits every wait; only a broken run reaches it.
const patience = 60 * time.Second

func read(t *testing.T) httpfile.File {
	t.Helper()
	text, err := os.ReadFile("kasse.http")
	if err != nil {
		t.Fatal(err)
	}
	file, err := httpfile.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestFile sends the whole file to its own Kasse, from top to bottom.
func TestFile(t *testing.T) {
	file := read(t)
	session := &httpfile.Session{Client: &http.Client{Timeout: patience}, Variables: file.Variables}
	t.Cleanup(session.Client.CloseIdleConnections)
	for name, address := range kasseDev(t) {
		if file.Variables[name] == "" {
			t.Fatalf("the file has no variable %s", name)
		}
		file.Variables[name] = address
	}
	for _, request := range file.Requests {
		send(t, session, request)
	}
	t.Logf("%d requests", len(file.Requests))
}

// send checks the status and repeats the request until a member has the expected value.
func send(t *testing.T, session *httpfile.Session, r httpfile.Request) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		answer, err := session.Send(t.Context(), r)
		if err != nil {
			t.Fatalf("line %d, %s: %v", r.Line, r.Title, err)
		}
		if answer.Status != r.Status {
			t.Fatalf("line %d, %s: status %d, want %d: %s", r.Line, r.Title, answer.Status, r.Status, answer.Body)
		}
		if r.Until.Member == "" {
			return
		}
		value, err := answer.Member(r.Until.Member)
		if err == nil && value == r.Until.Value {
			return
		}
		if r.Method != http.MethodGet || time.Now().After(deadline) {
			t.Fatalf("line %d, %s: %s is %q, want %q", r.Line, r.Title, r.Until.Member, value, r.Until.Value)
		}
	}
}

// kasseDev starts kasse-dev on free ports and returns its addresses by the file's variables.
func kasseDev(t *testing.T) map[string]string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kasse-dev")
	if output, err := exec.CommandContext(
		t.Context(), "go", "build", "-o", program, "kasse/cmd/kasse-dev",
	).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	command := exec.Command(program, "-addr", ":0", "-admin-addr", ":0", "-stripe-addr", ":0", "-shop-addr", ":0",
		"-console-addr", ":0")
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("kasse-dev ended with %v", err)
		}
	})
	addresses, printed := map[string]string{}, regexp.MustCompile(`^(Kasse|Probes|Stripe) +(http\S+)`)
	for lines := bufio.NewScanner(stdout); len(addresses) < 3 && lines.Scan(); {
		if match := printed.FindStringSubmatch(lines.Text()); match != nil {
			name := map[string]string{"Kasse": "kasse", "Probes": "admin", "Stripe": "stripe"}[match[1]]
			addresses[name] = strings.TrimSuffix(match[2], "/readyz")
		}
	}
	if len(addresses) != 3 {
		t.Fatalf("kasse-dev printed the addresses %v", addresses)
	}
	return addresses
}

// TestEveryRoute: the file and the API have the same operations.
func TestEveryRoute(t *testing.T) {
	var operations []string
	for _, r := range read(t).Requests {
		path, ours := strings.CutPrefix(r.URL, "{{kasse}}")
		if !ours {
			continue
		}
		path, _, _ = strings.Cut(path, "?")
		operations = append(operations, r.Method+" "+path)
	}
	var routes []*regexp.Regexp
	for _, route := range api.Routes() {
		parts := regexp.MustCompile(`\{\w+\}`).Split(route.Path, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern := regexp.MustCompile("^" + route.Method + " " + strings.Join(parts, `(\{\{[^/]+\}\}|[^/{]+)`) + "$")
		if routes = append(routes, pattern); !slices.ContainsFunc(operations, pattern.MatchString) {
			t.Errorf("the file has no request of %s %s", route.Method, route.Path)
		}
	}
	for _, line := range operations {
		if !slices.ContainsFunc(routes, func(p *regexp.Regexp) bool { return p.MatchString(line) }) {
			t.Errorf("there is no route for %s", line)
		}
	}
}

func TestParse(t *testing.T) {
	file, err := httpfile.Parse("# of the file\n@host = http://h\r\n@all = {{host}}/v1\n\n" +
		"### First\n// a comment\n# @name one\n# @expect 201\n# @until state paid\n" +
		"POST {{all}}/a?b=c\nContent-Type: application/json\nX-A: b:c\n\n{\n\n\"a\": 1}\n\n" +
		"### only a comment\n\n" +
		"### Form\n# @expect 200\nPOST {{host}}\ncontent-type: application/x-www-form-urlencoded\n\na=b\n&c=d\n")
	if err != nil || len(file.Requests) != 2 {
		t.Fatal(err, file.Requests)
	}
	got := fmt.Sprintf("%+v", file.Requests)
	const want = "[{Line:5 Title:First Name:one Status:201 Until:{Member:state Value:paid} " +
		"Method:POST URL:{{all}}/a?b=c " +
		"Headers:[[Content-Type application/json] [X-A b:c]] Body:{\n\n\"a\": 1}} " +
		"{Line:20 Title:Form Name: Status:200 Until:{Member: Value:} Method:POST URL:{{host}} " +
		"Headers:[[Content-Type application/x-www-form-urlencoded]] Body:a=b&c=d}]"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for _, bad := range []string{
		"### a\nGET http://h\n", "### a\n# @expect two\n", "### a\n# @expect 200\nGET\n",
		"### a\n# @expect 200\nGET http://h\nno header\n",
	} {
		if _, err := httpfile.Parse(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestUnknownVariables: an unknown variable is an error, and nothing is sent.
func TestUnknownVariables(t *testing.T) {
	session := httpfile.Session{Client: &http.Client{Transport: refuse{t}}, Variables: map[string]string{"a": "{{b}}"}}
	for _, text := range []string{"{{a}}", "{{b}}", "{{x.response.body.$.id}}", "{{$now}}"} {
		_, err := session.Send(
			t.Context(),
			httpfile.Request{Method: "GET", URL: "http://127.0.0.1:1/" + url.PathEscape("x"), Body: text},
		)
		if err == nil || !strings.Contains(err.Error(), "no variable or response") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// refuse fails a test that sends a request.
type refuse struct{ t *testing.T }

func (r refuse) RoundTrip(*http.Request) (*http.Response, error) {
	r.t.Error("the request was sent")
	return nil, http.ErrServerClosed
}
