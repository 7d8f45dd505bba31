package app

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestShownMembersAreDocumented: the example in docs/show.md has exactly the members of kasse show -json.
func TestShownMembersAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/show.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, rest, _ := strings.Cut(rest, "```")
	d := json.NewDecoder(strings.NewReader(example))
	d.DisallowUnknownFields()
	var shown Shown
	if err := d.Decode(&shown); err != nil {
		t.Fatalf("the example is not what is printed: %v", err)
	}
	for _, name := range members(reflect.TypeFor[Shown]()) {
		if !strings.Contains(example, `"`+name+`": `) {
			t.Errorf("the example lacks %s", name)
		}
	}
	for _, name := range members(reflect.TypeFor[ShownOrders]()) {
		if !strings.Contains(rest, `"`+name+`"`) {
			t.Errorf("docs/show.md lacks %s of a customer's orders", name)
		}
	}
}

// members returns the JSON names of a type's members, including nested ones.
func members(kind reflect.Type) (names []string) {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct || kind.PkgPath() != reflect.TypeFor[Shown]().PkgPath() {
		return nil
	}
	for field := range kind.Fields() {
		names = append(append(names, field.Tag.Get("json")), members(field.Type)...)
	}
	return names
}
