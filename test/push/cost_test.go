package push_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/internal/testenv"
)

// Benchmarks of processor time measure this process, which only relays, and Redis. The receiver and the
// writer are processes of their own. Each is this program, started with a role.
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

// receiveAll answers every request with 204, and GET /count with the number of them.
func receiveAll() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	counted := make(chan int, 1)
	counted <- 0
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := <-counted
		if r.Method == http.MethodGet {
			counted <- n
			fmt.Fprint(w, n)
			return
		}
		counted <- n + 1
		w.WriteHeader(http.StatusNoContent)
	}))
}

// writeAll appends a number of events to the streams of a Redis, at a rate per second. A rate of "0" means as
// fast as possible.
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

// start starts this program with a role.
func (w *pushEnv) start(role string) (*exec.Cmd, io.Reader) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), roleVariable+"="+role), os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return cmd, out
}

// receiver starts a receiver. It returns the receiver's URL and a function that counts its requests.
func (w *pushEnv) receiver() (url string, count func() int) {
	w.t.Helper()
	_, out := w.start("receiver")
	var address string
	if _, err := fmt.Fscan(out, &address); err != nil {
		w.t.Fatal(err)
	}
	url = "http://" + address
	return url, func() int {
		response, err := http.Get(url)
		if err != nil {
			w.t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		n, _ := strconv.Atoi(string(text))
		return n
	}
}

// spent is the processor time used so far.
type spent struct{ kasse, redis time.Duration }

func (w *pushEnv) spent() spent {
	w.t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		w.t.Fatal(err)
	}
	s := spent{kasse: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
	for line := range strings.Lines(w.client.Info(w.t.Context(), "cpu").Val()) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if value, found := strings.CutPrefix(strings.TrimSpace(line), name); found {
				seconds, _ := strconv.ParseFloat(value, 64)
				s.redis += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	return s
}

// costs relays events to endpoints and reports the processor time of a delivery. rate is in events per
// second; with 0 all events are in the streams before the relay starts.
func costs(b *testing.B, endpoints, events, rate int) {
	b.Helper()
	partitions := options.Partitions
	options.Partitions = 16
	defer func() { options.Partitions = partitions }()
	w := newPushEnv(b)
	url, count := w.receiver()
	var urls []string
	for n := range endpoints {
		urls = append(urls, fmt.Sprintf("%s/%d", url, n))
	}
	write := func() { // and wait for the writer's end
		writer, _ := w.start(fmt.Sprintf("writer %s %d %d %d", w.redis, events, rate, options.Partitions))
		if err := writer.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	stop := w.relayTo(urls)
	if rate == 0 {
		stop()
		write()
		stop = w.relayTo(urls)
	}
	before, began := w.spent(), time.Now()
	if rate > 0 {
		time.Sleep(200 * time.Millisecond) // the listeners have started
		write()
	}
	for events > 0 && count() < events*endpoints {
		time.Sleep(10 * time.Millisecond)
	}
	if events == 0 {
		time.Sleep(20 * time.Second)
	}
	took, after := time.Since(began), w.spent()
	stop()
	b.ReportMetric(0, "ns/op")
	kasse, inRedis := after.kasse-before.kasse, after.redis-before.redis
	if events == 0 {
		b.ReportMetric(100*kasse.Seconds()/took.Seconds(), "%core")
		b.ReportMetric(100*inRedis.Seconds()/took.Seconds(), "%core-redis")
		return
	}
	deliveries := float64(events * max(endpoints, 1)) // without endpoints: the cost of the events themselves
	b.ReportMetric(float64(kasse.Microseconds())/deliveries, "µs/delivery")
	b.ReportMetric(float64(inRedis.Microseconds())/deliveries, "µs-redis/delivery")
	b.ReportMetric(deliveries/took.Seconds(), "deliveries/s")
}

// BenchmarkCost measures processor time. One iteration (-benchtime 1x) is enough for a row.
func BenchmarkCost(b *testing.B) {
	for _, row := range []struct{ endpoints, events, rate int }{
		{0, 1000, 100}, {10, 4000, 0}, {1, 20000, 0}, {10, 100, 10}, {10, 1000, 100}, {1, 1000, 100}, {10, 0, 0},
	} {
		name := fmt.Sprintf("%d endpoints/%d a second", row.endpoints, row.rate)
		switch {
		case row.events == 0:
			name = fmt.Sprintf("%d endpoints/idle", row.endpoints)
		case row.rate == 0:
			name = fmt.Sprintf("%d endpoints/full rate", row.endpoints)
		}
		b.Run(name, func(b *testing.B) { costs(b, row.endpoints, row.events, row.rate) })
	}
}
