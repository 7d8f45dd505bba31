package stripesim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const newest = "2026-10-28.endive"

// declared is a type of Stripe's TypeScript declarations, as test/stripe-types writes it.
type declared struct {
	Kinds    []string            `json:"kinds"`
	Values   []any               `json:"values"`
	Open     bool                `json:"open"` // further values may appear
	Items    *declared           `json:"items"`
	Members  map[string]declared `json:"members"`
	Required bool                `json:"required"`
}

// newestShapes returns the declared objects of the newest API version, by their names.
var newestShapes = sync.OnceValue(func() map[string]map[string]declared {
	raw, err := os.ReadFile("testdata/shapes-" + newest + ".json")
	if err != nil {
		panic(err)
	}
	var out map[string]map[string]declared
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return out
})

// checkNewest checks an object, and every object in it, against the newest declarations.
func checkNewest(t *testing.T, raw []byte) {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	c := newestCheck{}
	c.walk("", value)
	for _, problem := range c.problems {
		t.Error(problem)
	}
	if c.objects == 0 {
		t.Errorf("there is no declared object in %s", raw)
	}
}

type newestCheck struct {
	problems []string
	objects  int
}

func (c *newestCheck) report(at, message string, args ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(message, args...))
}

func (c *newestCheck) walk(at string, value any) {
	switch is := value.(type) {
	case []any:
		for i, item := range is {
			c.walk(fmt.Sprintf("%s[%d]", at, i), item)
		}
	case map[string]any:
		name, _ := is["object"].(string)
		if members, known := newestShapes()[name]; known {
			c.objects++
			c.checkMembers(name, members, is)
		}
		for name, member := range is {
			c.walk(at+"."+name, member)
		}
	}
}

func (c *newestCheck) checkMembers(at string, members map[string]declared, object map[string]any) {
	for name, member := range members {
		if _, there := object[name]; member.Required && !there {
			c.report(at, "%s is missing", name)
		}
	}
	for name, value := range object {
		if member, known := members[name]; known {
			c.check(at+"."+name, member, value)
		} else {
			c.report(at, "%s is not declared", name)
		}
	}
}

func (c *newestCheck) check(at string, is declared, value any) {
	kind := kindOf(value)
	if !slices.Contains(is.Kinds, kind) && !slices.Contains(is.Kinds, "any") {
		c.report(at, "%s instead of %s", kind, strings.Join(is.Kinds, " or "))
		return
	}
	if kind == "string" && len(is.Values) > 0 && !is.Open && !slices.Contains(is.Values, value) {
		c.report(at, "%v is not one of %v", value, is.Values)
	}
	switch inner := value.(type) {
	case []any:
		for i, item := range inner {
			c.check(fmt.Sprintf("%s[%d]", at, i), *is.Items, item)
		}
	case map[string]any:
		if is.Members != nil {
			c.checkMembers(at, is.Members, inner)
		}
	}
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}
