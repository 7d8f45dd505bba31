package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	spec "kasse"
)

// wire is openapi.yaml as the transport of the tests checks it. kin-openapi compiles a schema each time it uses it,
// which took most of the time of these tests. So the bodies of doc have no schemas: they are compiled once, into
// schemas.
type wire struct {
	doc     *openapi3.T
	schemas map[*openapi3.MediaType]*jsonschema.Schema // of every JSON body
	problem *jsonschema.Schema
}

var onWire = sync.OnceValues(func() (*wire, error) {
	doc, err := openapi3.NewLoader().LoadFromData(spec.OpenAPI)
	if err != nil {
		return nil, err
	}
	c, err := newBodyCompiler(doc)
	if err != nil {
		return nil, err
	}
	w := &wire{doc: doc, schemas: map[*openapi3.MediaType]*jsonschema.Schema{}}
	if w.problem, err = c.compile(doc.Components.Schemas["Problem"]); err != nil {
		return nil, err
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			contents := []openapi3.Content{}
			if op.RequestBody != nil {
				contents = append(contents, op.RequestBody.Value.Content)
			}
			for _, response := range op.Responses.Map() {
				contents = append(contents, response.Value.Content)
			}
			for _, content := range contents {
				if err := w.take(c, content); err != nil {
					return nil, fmt.Errorf("%s: %w", op.OperationID, err)
				}
			}
		}
	}
	return w, nil
})

// take compiles the schemas of JSON bodies and removes them from the document. Operations share contents.
func (w *wire) take(c *bodyCompiler, content openapi3.Content) error {
	for name, media := range content {
		if media.Schema == nil || !strings.HasSuffix(name, "json") {
			continue
		}
		schema, err := c.compile(media.Schema)
		if err != nil {
			return err
		}
		w.schemas[media], media.Schema = schema, nil
	}
	return nil
}

// check validates a body by the content's media type of that name. A content without JSON of that type is
// kin-openapi's to check.
func (w *wire) check(content openapi3.Content, contentType string, body []byte) error {
	schema := w.schemas[content.Get(contentType)]
	if schema == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

const contractURL = "https://kasse.test/openapi.json"

// bodyCompiler compiles the schemas of a document under JSON Schema 2020-12, which OpenAPI 3.1 uses.
type bodyCompiler struct {
	*jsonschema.Compiler
	count int
}

func newBodyCompiler(doc *openapi3.T) (*bodyCompiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	for name, format := range openapi3.SchemaIntegerFormats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(value any) error {
			number, ok := value.(json.Number)
			if !ok {
				return nil // the type is checked apart
			}
			integer, err := number.Int64()
			if err != nil {
				return err
			}
			return format.Validate(integer)
		}})
	}
	c.AssertFormat()
	text, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return &bodyCompiler{Compiler: c}, c.AddResource(contractURL, whole)
}

func (c *bodyCompiler) compile(schema *openapi3.SchemaRef) (*jsonschema.Schema, error) {
	text, err := schema.MarshalJSON()
	if err != nil {
		return nil, err
	}
	absolute := strings.ReplaceAll(string(text), `"$ref":"#/`, `"$ref":"`+contractURL+`#/`)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(absolute))
	if err != nil {
		return nil, err
	}
	c.count++
	url := fmt.Sprintf("https://kasse.test/body-%d.json", c.count)
	if err := c.AddResource(url, value); err != nil {
		return nil, err
	}
	return c.Compile(url)
}
