package app

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestReadmeNamesEveryVariable keeps the table of the README complete.
func TestReadmeNamesEveryVariable(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[environment]().Fields() {
		name := strings.TrimSuffix(field.Tag.Get("envconfig"), "_FILE")
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not name %s", name)
		}
	}
}
