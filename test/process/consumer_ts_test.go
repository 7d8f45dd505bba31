//go:build npm

package process_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestConsumerInTypeScript needs examples/consumer-ts to be built, by make examples: there, npm's standardwebhooks
// verifies what we push.
func TestConsumerInTypeScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	program, err := filepath.Abs("../../examples/consumer-ts/dist/main.js")
	if err != nil {
		t.Fatal(err)
	}
	consumerStory(t, node, program)
}
