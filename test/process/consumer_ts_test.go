//go:build npm

package process_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestConsumerInTypeScript runs the TypeScript consumer, which verifies pushed events by npm's
// standardwebhooks. `make examples` builds the consumer first.
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
