package apidocs

import (
	"fmt"
	"html/template"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// member is a property of an object.
type member struct {
	Name     string
	Schema   *openapi3.SchemaRef
	Required bool
}

// members returns the properties of a schema and of its allOf parts, required ones first.
func members(schema *openapi3.Schema) []member {
	if schema == nil {
		return nil
	}
	var out []member
	for _, part := range schema.AllOf {
		out = append(out, members(part.Value)...)
	}
	for _, name := range slices.Sorted(mapKeys(schema.Properties)) {
		one := member{name, schema.Properties[name], slices.Contains(schema.Required, name)}
		// A later part replaces an earlier one.
		out = slices.DeleteFunc(out, func(m member) bool { return m.Name == name })
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b member) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

// typeOf formats a type: a link to a named schema, or the JSON type.
func typeOf(ref *openapi3.SchemaRef) template.HTML {
	switch {
	case ref == nil || ref.Value == nil:
		return "any"
	case ref.Ref != "":
		name := ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
		link := fmt.Sprintf(`<a href="#%s">%s</a>`, anchor("schema", name), template.HTMLEscapeString(name))
		return template.HTML(link) //nolint:gosec // escaped
	}
	schema := ref.Value
	if parts := slices.Concat(schema.OneOf, schema.AnyOf); len(parts) > 0 {
		return joined(parts, " or ")
	}
	if schema.Items != nil {
		return "array of " + typeOf(schema.Items)
	}
	if schema.Type == nil {
		return "any"
	}
	return template.HTML(template.HTMLEscapeString(strings.Join(schema.Type.Slice(), " or "))) //nolint:gosec // escaped
}

func joined(parts openapi3.SchemaRefs, by string) template.HTML {
	var out []string
	for _, part := range parts {
		out = append(out, string(typeOf(part)))
	}
	return template.HTML(strings.Join(out, by)) //nolint:gosec // typeOf escapes
}

// limits describes the constraints of a value; empty for a named schema, which has its own section.
func limits(ref *openapi3.SchemaRef) string {
	if ref == nil || ref.Value == nil || ref.Ref != "" {
		return ""
	}
	schema := ref.Value
	var out []string
	add := func(format string, values ...any) { out = append(out, fmt.Sprintf(format, values...)) }
	if len(schema.Enum) > 0 {
		add("one of %s", strings.Trim(fmt.Sprint(schema.Enum), "[]"))
	}
	if schema.Min != nil {
		add("at least %.0f", *schema.Min)
	}
	if schema.Max != nil {
		add("at most %.0f", *schema.Max)
	}
	if schema.MaxLength != nil {
		add("at most %d characters", *schema.MaxLength)
	}
	if schema.Pattern != "" {
		add("matches %s", schema.Pattern)
	}
	if schema.Default != nil {
		add("%v by default", schema.Default)
	}
	return strings.Join(out, "; ")
}

func mapKeys[Value any](m map[string]Value) iter.Seq[string] { return maps.Keys(m) }
