//go:build race

package process_test

// raceDetector says that the processes are to be built as the test is.
const raceDetector = true
