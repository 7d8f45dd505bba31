package push_test

import (
	"fmt"
	"math"
	"testing"
)

const (
	mixedHealthy = 97
	mixedRate    = 10        // events a second, to each endpoint
	mixedEvents  = mixedRate // events in a turn
	mixedTurns   = 30        // turns of each server in a round
)

// BenchmarkMixed measures the time from an event's write to its delivery to 97 endpoints, on a server with nothing else
// and on one that has three more: one hangs, one answers 410, one is slow. The servers take turns of a second. Each
// figure is the median of the turns, since other programs of the machine delay single turns. The target is an x-p99 of
// at most 1.2.
func BenchmarkMixed(b *testing.B) {
	program := besides(b)["now"]
	var paths []string
	for n := range mixedHealthy {
		paths = append(paths, fmt.Sprintf("/%d", n))
	}
	figures := map[string][]float64{}
	for range b.N {
		without := newCostEnv(b, program, paths)
		with := newCostEnv(b, program, append([]string{"/hang", "/gone", "/slow"}, paths...))
		for range mixedTurns {
			for name, c := range map[string]*costEnv{"without": without, "with": with} {
				c.write(mixedEvents, mixedRate)
				c.await(mixedEvents * mixedHealthy)
				got := c.ask("/receipt")
				figures["ms-p50-"+name] = append(figures["ms-p50-"+name], float64(got.P50))
				figures["ms-p99-"+name] = append(figures["ms-p99-"+name], float64(got.P99))
			}
		}
		without.close()
		with.close()
	}
	b.ReportMetric(0, "ns/op")
	for name, values := range figures {
		b.ReportMetric(median(values), name)
	}
	b.ReportMetric(median(figures["ms-p99-with"])/math.Max(median(figures["ms-p99-without"]), 1), "x-p99")
}
