package push_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/internal/testenv"
)

// roleVariable selects the role of this process. The benchmarks of processor time run servers, receiver and writer in
// separate processes. Receiver and writer are this test program, started again in another role.
const roleVariable = "KASSE_PUSH_ROLE"

// runRole runs the role that this process was started with. It returns only if there is none.
func runRole() {
	var err error
	switch role, input, _ := strings.Cut(os.Getenv(roleVariable), " "); role {
	case "":
		return
	case "receiver":
		err = receiveAll()
	case "writer":
		err = writeAll(input)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// slowAnswer is how long the receiver's slow path takes.
const slowAnswer = time.Second

// roleReceiver answers every delivery with 204. Paths that begin with /gone answer 410, /slow takes slowAnswer, and
// /hang never answers.
type roleReceiver struct {
	mu     sync.Mutex
	delays []int64 // of the deliveries that were answered at once, in milliseconds
}

// receipt sums up the deliveries since the last receipt.
type receipt struct {
	Count    int
	P50, P99 int64 // milliseconds from the event's write to its delivery
}

// ServeHTTP takes a delivery. GET /receipt returns a receipt and resets the count. GET /count only returns the count.
func (s *roleReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(s.receipt(r.URL.Path == "/receipt"))
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	switch {
	case strings.HasPrefix(r.URL.Path, "/gone"):
		w.WriteHeader(http.StatusGone)
		return
	case strings.HasPrefix(r.URL.Path, "/hang"):
		<-r.Context().Done()
		return
	case strings.HasPrefix(r.URL.Path, "/slow"):
		time.Sleep(slowAnswer)
	default:
		_, version, _ := strings.Cut(r.Header.Get("webhook-id"), ".")
		written, _ := strconv.ParseInt(version, 10, 64)
		s.mu.Lock()
		s.delays = append(s.delays, time.Now().UnixMilli()-written)
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *roleReceiver) receipt(reset bool) (got receipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.Count = len(s.delays); got.Count == 0 || !reset {
		return got
	}
	slices.Sort(s.delays)
	got.P50, got.P99 = s.delays[got.Count/2], s.delays[got.Count*99/100]
	s.delays = s.delays[:0]
	return got
}

func receiveAll() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, &roleReceiver{})
}

// writeAll appends events to the streams of a Redis. The input is its URL, the number of events, their rate per second
// (0: no limit) and the number of partitions.
func writeAll(input string) error {
	var url string
	var count, rate, partitions int
	if _, err := fmt.Sscan(input, &url, &count, &rate, &partitions); err != nil {
		return err
	}
	client, err := store.Connect("single", url)
	if err != nil {
		return err
	}
	o := options
	o.Partitions = partitions
	s := store.New(client, o)
	began := time.Now()
	for n := range count {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		}
		if _, err := testenv.WriteEvent(context.Background(), s, payment.ID(fmt.Sprintf("pi_%d", n%200))); err != nil {
			return err
		}
	}
	os.Exit(0)
	return nil
}

// startRole starts this program in a role. It ends with the test.
func startRole(t testing.TB, role string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), roleVariable+"="+role), os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, out
}

// startReceiver starts a receiver, and returns its URL, a function that requests a path of it, and one that ends it.
func startReceiver(t testing.TB) (url string, ask func(path string) receipt, end func()) {
	t.Helper()
	process, out := startRole(t, "receiver")
	var address string
	if _, err := fmt.Fscan(out, &address); err != nil {
		t.Fatal(err)
	}
	url = "http://" + address
	ask = func(path string) (got receipt) {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	return url, ask, func() { _ = process.Process.Kill() }
}
