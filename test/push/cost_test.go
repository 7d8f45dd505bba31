package push_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/internal/testenv"
)

// besideVariable names programs of other builds, separated by commas, which are measured in turns with the current one.
const besideVariable = "KASSE_PUSH_BESIDE"

// costPartitions is the default of REDIS_PARTITIONS.
const costPartitions = 16

// costEnv is a server with endpoints and its own Redis. The processor time of both is measured.
type costEnv struct {
	t      testing.TB
	redis  string
	client *redis.Client
	server *testenv.Kasse
	ask    func(path string) receipt
	close  func()
}

// newCostEnv starts the program with an endpoint for each path of the receiver.
func newCostEnv(t testing.TB, program string, paths []string) *costEnv {
	t.Helper()
	ctx := t.Context()
	env, err := testenv.New(
		ctx, t.TempDir(), testenv.WithRedis("--appendfsync", "everysec"), testenv.WithSender(1, nil, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.Close)
	url, ask, end := startReceiver(t)
	endpoints := make([]string, len(paths))
	for i, path := range paths {
		endpoints[i] = url + path + "=" + secret.Reveal()
	}
	settings := map[string]string{
		"REDIS_PARTITIONS": strconv.Itoa(costPartitions), "REDIS_DURABILITY": "off", "EVENT_ALLOW_PRIVATE": "true",
		"EVENT_ENDPOINTS": strings.Join(endpoints, ","),
	}
	server, err := env.StartKasse(ctx, program, settings)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the first passes of the background work end
	return &costEnv{
		t: t, redis: "redis://" + env.Redis.Address + "/0", client: env.Redis.Client, server: server, ask: ask,
		close: func() { env.Close(); end() },
	}
}

// write appends events at a rate per second, and returns when all are written. A rate of 0 has no limit.
func (c *costEnv) write(events, rate int) {
	c.t.Helper()
	writer, _ := startRole(c.t, fmt.Sprintf("writer %s %d %d %d", c.redis, events, rate, costPartitions))
	if err := writer.Wait(); err != nil {
		c.t.Fatal(err)
	}
}

// writeUnseen stops the server, and then writes events without a limit.
func (c *costEnv) writeUnseen(events int) {
	c.server.Signal(syscall.SIGSTOP)
	c.write(events, 0)
}

// await waits until the receiver has counted the deliveries since its last receipt.
func (c *costEnv) await(deliveries int) {
	for c.ask("/count").Count < deliveries {
		time.Sleep(10 * time.Millisecond)
	}
}

// spent is processor time used so far.
type spent struct{ server, redis time.Duration }

func (c *costEnv) spent() spent {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.server.PID()))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest) // the first two fields of proc(5) are cut off
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	s := spent{server: time.Duration(user+system) * time.Second / 100} // ticks of USER_HZ
	for line := range strings.Lines(c.client.Info(c.t.Context(), "cpu").Val()) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if value, found := strings.CutPrefix(strings.TrimSpace(line), name); found {
				seconds, _ := strconv.ParseFloat(value, 64)
				s.redis += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	return s
}

// costRow is one measurement. A rate of 0 has all events in the streams before the server sees them.
type costRow struct{ endpoints, events, rate int }

func (r costRow) name() string {
	switch {
	case r.events == 0:
		return fmt.Sprintf("%d endpoints/idle", r.endpoints)
	case r.rate == 0:
		return fmt.Sprintf("%d endpoints/full rate", r.endpoints)
	}
	return fmt.Sprintf("%d endpoints/%d events a second", r.endpoints, r.rate)
}

// idleFor is how long an idle server is watched.
const idleFor = 20 * time.Second

// measure returns the processor time of the server and of Redis: in microseconds per delivery, or per event if there
// are no endpoints. Without events it is in per mille of a core.
func (r costRow) measure(t testing.TB, program string) (server, inRedis float64) {
	t.Helper()
	var paths []string
	for n := range r.endpoints {
		paths = append(paths, fmt.Sprintf("/%d", n))
	}
	c := newCostEnv(t, program, paths)
	defer c.close()
	if r.events > 0 && r.rate == 0 {
		c.writeUnseen(r.events)
	}
	before, began := c.spent(), time.Now()
	switch {
	case r.events == 0:
		time.Sleep(idleFor)
	case r.rate == 0:
		c.server.Signal(syscall.SIGCONT)
	default:
		c.write(r.events, r.rate)
	}
	c.await(r.events * r.endpoints)
	if r.events > 0 && r.rate == 0 {
		time.Sleep(50 * time.Millisecond) // the server records the last deliveries
	}
	took, after := time.Since(began), c.spent()
	unit := float64(r.events * max(r.endpoints, 1))
	if r.events == 0 {
		unit = took.Seconds() * 1000
	}
	return float64((after.server - before.server).Microseconds()) / unit,
		float64((after.redis - before.redis).Microseconds()) / unit
}

// besides returns the programs to measure, by name.
func besides(b *testing.B) map[string]string {
	b.Helper()
	program, err := testenv.Build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	all := map[string]string{"now": program}
	for other := range strings.SplitSeq(os.Getenv(besideVariable), ",") {
		if other != "" {
			all[filepath.Base(other)] = other
		}
	}
	return all
}

// median returns the median of at least one value.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// BenchmarkCost measures processor time of server and Redis. -benchtime Nx makes N rounds, and reports medians. With
// KASSE_PUSH_BESIDE=PROGRAM,… other builds take turns, and "x-…/PROGRAM" are the ratios to them.
func BenchmarkCost(b *testing.B) {
	programs := besides(b)
	for _, row := range []costRow{
		{0, 1000, 100},
		{10, 4000, 0},
		{1, 20000, 0},
		{10, 150, 10},
		{10, 1000, 100},
		{1, 1000, 100},
		{0, 0, 0},
		{10, 0, 0},
	} {
		b.Run(row.name(), func(b *testing.B) {
			figures := map[string][]float64{}
			for n := 0; n < b.N; n++ {
				for name, program := range programs {
					server, inRedis := row.measure(b, program)
					figures[name+" server"] = append(figures[name+" server"], server)
					figures[name+" redis"] = append(figures[name+" redis"], inRedis)
				}
			}
			b.ReportMetric(0, "ns/op")
			unit := "µs"
			if row.events == 0 {
				unit = "‰core"
			}
			for _, who := range []string{"server", "redis"} {
				now := median(figures["now "+who])
				for name := range programs {
					figure := median(figures[name+" "+who])
					b.ReportMetric(figure, unit+"-"+who+"/"+name)
					if name != "now" {
						b.ReportMetric(now/math.Max(figure, 0.001), "x-"+who+"/"+name)
					}
				}
			}
		})
	}
}
