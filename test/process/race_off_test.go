//go:build !race

package process_test

// raceDetector reports whether the test, and so its processes, are built with -race.
const raceDetector = false
