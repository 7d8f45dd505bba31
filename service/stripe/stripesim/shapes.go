package stripesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// shape lists the parameters of an endpoint. All others are refused, as at Stripe.
type shape map[string]rule

// rule checks one parameter's value; name is its full name, such as
// automatic_payment_methods[enabled].
type rule struct {
	required bool
	check    func(name string, value any) *failure
}

func (r rule) must() rule { r.required = true; return r }

// with is a shape with further parameters.
func (s shape) with(more shape) shape {
	out := maps.Clone(s)
	maps.Copy(out, more)
	return out
}

func (s shape) check(given params, parent string) *failure {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		full := nested(parent, name)
		rule, known := s[name]
		if !known {
			return invalid("parameter_unknown", full, "Received unknown parameter: %s", full)
		}
		if f := rule.check(full, given[name]); f != nil {
			return f
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if s[name].required && !given.has(name) {
			full := nested(parent, name)
			return invalid("parameter_missing", full, "Missing required param: %s.", full)
		}
	}
	return nil
}

func nested(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "[" + name + "]"
}

func invalidText(kind, name string, value any) *failure {
	return invalid("parameter_invalid_"+kind, name, "Invalid %s: %v", kind, value)
}

var (
	aText = rule{check: func(name string, value any) *failure {
		if _, ok := value.(string); !ok {
			return invalidText("string", name, value)
		}
		return nil
	}}
	anInteger = rule{check: func(name string, value any) *failure {
		s, ok := value.(string)
		if ok && s == "" {
			return invalid("parameter_invalid_empty", name, textEmpty, name, name, name)
		}
		if _, err := strconv.ParseInt(s, 10, 64); !ok || err != nil {
			return invalidText("integer", name, value)
		}
		return nil
	}}
	aBoolean = rule{check: func(name string, value any) *failure {
		if value != "true" && value != "false" {
			return invalid("", name, "Invalid boolean: %v", value)
		}
		return nil
	}}
	aList = rule{check: func(name string, value any) *failure {
		if _, ok := value.([]string); !ok {
			return invalid("", name, "Invalid array")
		}
		return nil
	}}
	anything = rule{check: func(string, any) *failure { return nil }}
	aHash    = rule{check: func(name string, value any) *failure {
		if _, ok := value.(params); !ok && value != "" {
			return invalid("", name, "Invalid object")
		}
		return nil
	}}
)

func oneOf(values ...string) rule {
	return rule{check: func(name string, value any) *failure {
		if s, ok := value.(string); ok && slices.Contains(values, s) {
			return nil
		}
		last := len(values) - 1
		return invalid("", name, "Invalid %s: must be one of %s, or %s", name, strings.Join(values[:last], ", "),
			values[last])
	}}
}

func listOf(values ...string) rule {
	one := oneOf(values...)
	return rule{check: func(name string, value any) *failure {
		list, ok := value.([]string)
		if !ok {
			return aList.check(name, value)
		}
		for _, item := range list {
			if f := one.check(name, item); f != nil {
				return f
			}
		}
		return nil
	}}
}

func aShape(s shape) rule {
	return rule{check: func(name string, value any) *failure {
		given, ok := value.(params)
		if !ok {
			return aHash.check(name, value)
		}
		return s.check(given, name)
	}}
}

// aRange is a time, or bounds of one: created=1, created[gte]=1.
var aRange = rule{check: func(name string, value any) *failure {
	given, ok := value.(params)
	if !ok {
		return anInteger.check(name, value)
	}
	return shape{"gt": anInteger, "gte": anInteger, "lt": anInteger, "lte": anInteger}.check(given, name)
}}
