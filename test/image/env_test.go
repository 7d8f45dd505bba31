package main

import (
	"os"
	"testing"
)

// TestEveryRequiredVariableHasAValue: the check writes a value for each variable that .env.example leaves empty. CI
// does not run the check itself, which needs root.
func TestEveryRequiredVariableHasAValue(t *testing.T) {
	example, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	values := newEnv("http://127.0.0.1:1")
	if _, err := fillIn(string(example), values); err != nil {
		t.Error(err)
	}
	delete(values, "REDIS_PASSWORD")
	if _, err := fillIn(string(example), values); err == nil {
		t.Error("without REDIS_PASSWORD there is no error")
	}
}
