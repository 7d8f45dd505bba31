//go:build linux

package parking_test

import (
	"os"
	"strconv"
)

// rounds is how often TestKeepAlive uses one connection; PARKING_ROUNDS sets it.
var rounds = func() int {
	if n, err := strconv.Atoi(os.Getenv("PARKING_ROUNDS")); err == nil {
		return n
	}
	return 200
}()
