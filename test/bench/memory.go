package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// resident returns a process's resident memory in bytes; 0 if the system does not report it.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// tick is the unit of the times in /proc, which is fixed on Linux.
//
// Source: proc(5), sysconf(_SC_CLK_TCK).
const tick = 10 * time.Millisecond

// processorTime returns the processor time of a process's threads; 0 if the system does not report it. Threads that
// have ended are left out: neither Go nor Redis ends threads under load.
//
// Source: https://docs.kernel.org/scheduler/sched-stats.html, nanoseconds on the processor.
func processorTime(pid int) time.Duration {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var all time.Duration
	for _, thread := range threads {
		text, readErr := os.ReadFile(thread)
		if readErr != nil {
			continue
		}
		spent, _, _ := bytes.Cut(text, []byte(" "))
		n, _ := strconv.ParseInt(string(spent), 10, 64)
		all += time.Duration(n)
	}
	if all == 0 || err != nil { // a kernel without statistics
		return processorTicks(pid)
	}
	return all
}

// processorTicks returns the same with a resolution of a hundredth of a second.
func processorTicks(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // fields after the name
	ticks := 0
	for _, at := range []int{user, system} {
		n, _ := strconv.Atoi(string(fields[at]))
		ticks += n
	}
	return time.Duration(ticks) * tick
}
