package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

const (
	heapRoom  = 48 << 20 // bytes that may become garbage before they are collected
	heapLook  = 500 * time.Millisecond
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
	var after burst
	for set := 0; ; {
		gometrics.Read(live)
		if percent := growth(live[0].Value.Uint64()); percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
		if after.over(readHeap()) {
			runtime.GC() // what pools keep goes with the second collection
			debug.FreeOSMemory()
			after.kept = readHeap().resident
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

// heapUse is what Go's memory is at a moment.
type heapUse struct {
	resident  uint64 // bytes that the process has of the system
	allocated uint64 // bytes that were ever allocated
}

func readHeap() heapUse {
	s := []gometrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	gometrics.Read(s)
	return heapUse{s[0].Value.Uint64() - s[1].Value.Uint64(), s[2].Value.Uint64()}
}

// burst notices that the process has much more memory than it needs, since many requests came at once. Go would keep
// it: it collects only where something is allocated, and gives back little by little.
type burst struct {
	allocated uint64 // at the last look
	kept      uint64 // resident bytes when memory was given back last
}

// heapQuiet is up to how many bytes are allocated between two looks of a process that has little to do.
const heapQuiet = 8 << 20

// over reports whether memory is to be given back now. That costs a collection, and happens only after the heap has
// grown by half and by heapRoom.
func (b *burst) over(now heapUse) bool {
	quiet := now.allocated-b.allocated < heapQuiet
	b.allocated = now.allocated
	return quiet && now.resident > b.kept+b.kept/2+heapRoom
}
