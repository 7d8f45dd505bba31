package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// resident is the memory of a process that is in RAM, in bytes; zero where the system does not tell.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
