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
	heapRoom  = 48 << 20 // bytes of garbage before a collection
	heapLook  = 500 * time.Millisecond
	heapRatio = 100 // per cent of the live heap, at least; Go's default
)

// tuneGC raises GOGC until the context ends, so that more garbage accumulates. The live heap is small and
// each request leaves up to 30 KB. Collecting it ten times a second costs a tenth of the throughput. With a
// large live heap, such as ten thousand waiting requests, and with GOGC set, Go's default stays.
func tuneGC(ctx context.Context) {
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
			runtime.GC() // the second collection frees what sync.Pool holds
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

// growth returns the GOGC value for a live heap of this size, in steps.
func growth(live uint64) int {
	const step = 50
	percent := heapRoom * 100 / max(live, 1)
	return int(min(max(percent/step*step, heapRatio), 10*heapRatio))
}

// heapUse is the use of memory at a moment.
type heapUse struct {
	resident  uint64 // bytes that the process has from the system
	allocated uint64 // bytes allocated since the start
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

// burst detects that the process has much more memory than it needs after many simultaneous requests. Go
// would keep it: it collects only after allocations, and returns memory slowly.
type burst struct {
	allocated uint64 // at the last check
	kept      uint64 // resident bytes after memory was last returned
}

// heapQuiet is the allocation between two checks, in bytes, up to which a process counts as idle.
const heapQuiet = 8 << 20

// over reports whether memory should be returned now. That costs a collection, so it happens only after the
// heap has grown by half and by heapRoom.
func (b *burst) over(now heapUse) bool {
	quiet := now.allocated-b.allocated < heapQuiet
	b.allocated = now.allocated
	return quiet && now.resident > b.kept+b.kept/2+heapRoom
}
