package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestReadmeHasTheWalk keeps the README's walk the one that is printed, and that a test of the whole pastes into a
// shell.
func TestReadmeHasTheWalk(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf(walk, serviceKey, "http://127.0.0.1:8080", "http://127.0.0.1:12111")
	if !strings.Contains(string(readme), "```sh\n"+printed+"```\n") {
		t.Fatal("the walk in README.md is another than kasse-dev prints")
	}
}
