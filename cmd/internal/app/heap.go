package app

import (
	"context"
	"os"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

const (
	heapRoom  = 48 << 20 // bytes that may become garbage before they are collected
	heapLook  = time.Second
	heapRatio = 100 // per cent of what lives, at least; Go's own default
)

// collectLater lets some garbage lie, until the context ends: what lives is small, each request leaves up to 30 KB,
// and to collect that ten times a second costs a tenth of the throughput. Where much lives, as with ten thousand
// who wait, and where GOGC is set, Go collects as always.
func collectLater(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}
	look := time.NewTicker(heapLook)
	defer look.Stop()
	for set := 0; ; {
		gometrics.Read(live)
		if percent := growth(live[0].Value.Uint64()); percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// growth is by how many per cent a heap with so many bytes alive may grow, in steps.
func growth(live uint64) int {
	const step = 50
	percent := heapRoom * 100 / max(live, 1)
	return int(min(max(percent/step*step, heapRatio), 10*heapRatio))
}
