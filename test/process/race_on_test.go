//go:build race

package process_test

// raceDetector is whether the processes are built with -race, like the test.
const raceDetector = true
