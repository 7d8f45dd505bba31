package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestReadmeHasTheWalk: the README's commands equal the printed ones, which another test runs in a shell.
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
