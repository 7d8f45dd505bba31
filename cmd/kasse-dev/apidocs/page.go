// Package apidocs renders openapi.yaml as one static HTML page, without scripts and external resources, and
// as a Postman collection. `make api-docs` writes both to files; kasse-dev serves the page at /docs.
package apidocs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

//go:embed page.html
var layout string

// Page renders an OpenAPI 3.1 document. It returns an error if the document is invalid.
func Page(document []byte) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("the API document: %w", err)
	}
	functions := template.FuncMap{
		"markdown": markdown, "indent": indent, "typeOf": typeOf, "members": members, "examples": examples,
		"access": access, "anchor": anchor, "limits": limits,
	}
	page, err := template.New("page").Funcs(functions).Parse(layout)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Doc": doc, "Sections": sections(doc)})
	return out.Bytes(), err
}

// section is a tag with its operations, by path.
type section struct {
	Name, Description string
	Operations        []operation
}

// operation is a method of a path. Its parameters include the path's.
type operation struct {
	*openapi3.Operation
	Method, Path string
	Parameters   openapi3.Parameters
	Answers      []answer
}

type answer struct {
	Status string
	*openapi3.Response
}

// sections groups the operations by tag, in the document's order. The webhooks that Kasse sends come last.
func sections(doc *openapi3.T) []section {
	var out []section
	for _, tag := range doc.Tags {
		s := section{Name: tag.Name, Description: tag.Description}
		for _, path := range doc.Paths.InMatchingOrder() {
			s.Operations = append(s.Operations, operations(path, doc.Paths.Value(path), tag.Name)...)
		}
		slices.SortStableFunc(s.Operations, func(a, b operation) int { return strings.Compare(a.Path, b.Path) })
		for name, item := range doc.Webhooks {
			s.Operations = append(s.Operations, operations(name, item, tag.Name)...)
		}
		out = append(out, s)
	}
	return out
}

func operations(path string, item *openapi3.PathItem, tag string) []operation {
	var out []operation
	for _, method := range []string{"POST", "GET", "PATCH"} {
		op := item.GetOperation(method)
		if op == nil || !slices.Contains(op.Tags, tag) {
			continue
		}
		o := operation{
			Operation: op, Method: method, Path: path, Parameters: slices.Concat(item.Parameters, op.Parameters),
		}
		for _, status := range slices.Sorted(mapKeys(op.Responses.Map())) {
			o.Answers = append(o.Answers, answer{status, op.Responses.Value(status).Value})
		}
		out = append(out, o)
	}
	return out
}

// access lists the credentials of an operation, with the scope of a service key.
func access(doc *openapi3.T, op operation) string {
	required := doc.Security
	if op.Security != nil {
		required = *op.Security
	}
	names := map[string]string{
		"serviceKey": "service key", "orderToken": "order token", "clientSecret": "client secret",
	}
	var out []string
	for _, one := range required {
		for scheme, scopes := range one {
			name := names[scheme]
			if name == "" {
				name = scheme
			}
			if len(scopes) > 0 {
				name += " (" + strings.Join(scopes, ", ") + ")"
			}
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// example is a body with its summary.
type example struct {
	Summary string
	Body    any
}

// examples returns the examples of all media types, by name.
func examples(content openapi3.Content) []example {
	var out []example
	for _, media := range slices.Sorted(mapKeys(content)) {
		all := content[media].Examples
		for _, name := range slices.Sorted(mapKeys(all)) {
			one := all[name].Value
			summary := one.Summary
			if summary == "" {
				summary = name
			}
			out = append(out, example{summary, one.Value})
		}
	}
	return out
}

var converter = goldmark.New(goldmark.WithExtensions(extension.Table))

// markdown converts a description. It drops raw HTML.
func markdown(text string) (template.HTML, error) {
	var out bytes.Buffer
	err := converter.Convert([]byte(text), &out)
	return template.HTML(out.String()), err //nolint:gosec // goldmark escapes the text, and drops raw HTML
}

func indent(value any) (string, error) {
	text, err := json.MarshalIndent(value, "", "  ")
	return string(text), err
}

// anchor returns the id of an element of the page.
func anchor(parts ...string) string {
	return strings.Trim(strings.NewReplacer(
		"/", "-", "{", "", "}", "", " ", "-", ".", "-",
	).Replace(strings.ToLower(strings.Join(parts, "-"))), "-")
}
