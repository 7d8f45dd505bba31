package stripesim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/spec"
)

// dropped are members that Stripe's schema has dropped since 2024-06-20, and that its responses of that version still
// have.
var dropped = map[string]bool{"source": true, "order": true, "dispute": true, "destination": true}

// published is Stripe's own description of its API, from stripe-mock. Its version 2024-09-30 is the nearest one to
// 2024-06-20.
var published = sync.OnceValue(func() *spec.Spec {
	var s spec.Spec
	if err := json.Unmarshal(embedded.OpenAPISpec, &s); err != nil {
		panic(err)
	}
	return &s
})

// schemaCheck is a transport under stripe-go that checks every response against the published schema.
type schemaCheck struct {
	t    *testing.T
	next http.RoundTripper
}

func (c schemaCheck) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	if err != nil || res.Header.Get("Content-Type") != "application/json" {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	for _, problem := range answerErrors(r.Method, r.URL.Path, res.StatusCode, body) {
		c.t.Errorf("%s %s, %d: %s", r.Method, r.URL.Path, res.StatusCode, problem)
	}
	return res, nil
}

// answerErrors returns the violations of a response's schema. The simulator's own paths have none.
func answerErrors(method, path string, status int, body []byte) []string {
	operation := operationFor(method, path)
	if operation == nil {
		return nil
	}
	response, ok := operation.Responses[spec.StatusCode(fmt.Sprint(status))]
	if !ok {
		response = operation.Responses["default"]
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return []string{err.Error()}
	}
	v := validator{}
	v.check("", response.Content["application/json"].Schema, value)
	return v.found
}

var placeholder = regexp.MustCompile(`\\\{[^}]*\\\}`)

// operationFor returns the operation of a path; nil if there is none. A path without placeholders takes precedence, so
// that /search does not count as an id.
func operationFor(method, path string) *spec.Operation {
	verb := spec.HTTPVerb(strings.ToLower(method))
	if exact := published().Paths[spec.Path(path)][verb]; exact != nil {
		return exact
	}
	for pattern, verbs := range published().Paths {
		quoted := placeholder.ReplaceAllString(regexp.QuoteMeta(string(pattern)), `[^/]+`)
		if verbs[verb] != nil && regexp.MustCompile("^"+quoted+"$").MatchString(path) {
			return verbs[verb]
		}
	}
	return nil
}

// schemaErrors returns the violations of the schema with the object's name.
func schemaErrors(object map[string]any) []string {
	name, _ := object["object"].(string)
	v := validator{}
	v.check(name, published().Components.Schemas[name], object)
	return v.found
}

// validator collects violations. It supports the part of JSON Schema that Stripe's description uses.
type validator struct{ found []string }

// report adds a violation.
func (v *validator) report(at, message string, args ...any) {
	v.found = append(v.found, at+": "+fmt.Sprintf(message, args...))
}

func (v *validator) check(at string, s *spec.Schema, value any) {
	if s.Ref != "" {
		s = published().Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	switch {
	case value == nil:
		if !s.Nullable && s.Type != "" {
			v.report(at, "null")
		}
	case len(s.AnyOf) > 0:
		v.checkAny(at, s.AnyOf, value)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, value):
		v.report(at, "%v is not one of %v", value, s.Enum)
	default:
		v.checkType(at, s, value)
	}
}

// checkAny reports the violations of the alternative that has the fewest.
func (v *validator) checkAny(at string, alternatives []*spec.Schema, value any) {
	var least []string
	for i, alternative := range alternatives {
		attempt := validator{}
		attempt.check(at, alternative, value)
		if len(attempt.found) == 0 {
			return
		}
		if i == 0 || len(attempt.found) < len(least) {
			least = attempt.found
		}
	}
	v.found = append(v.found, least...)
}

func (v *validator) checkType(at string, s *spec.Schema, value any) {
	switch typed := value.(type) {
	case map[string]any:
		if s.Type != spec.TypeObject {
			v.report(at, "an object instead of %s", s.Type)
			return
		}
		v.checkObject(at, s, typed)
	case []any:
		if s.Type != spec.TypeArray {
			v.report(at, "a list instead of %s", s.Type)
			return
		}
		for i, item := range typed {
			v.check(fmt.Sprintf("%s[%d]", at, i), s.Items, item)
		}
	case string:
		v.expect(at, s, value, spec.TypeString)
	case bool:
		v.expect(at, s, value, spec.TypeBoolean)
	case float64:
		v.expect(at, s, value, spec.TypeInteger, spec.TypeNumber)
	}
}

func (v *validator) expect(at string, s *spec.Schema, value any, types ...string) {
	if !slices.Contains(types, s.Type) {
		v.report(at, "%v instead of %s", value, s.Type)
	}
}

func (v *validator) checkObject(at string, s *spec.Schema, value map[string]any) {
	for _, name := range s.Required {
		if _, there := value[name]; !there {
			v.report(at, "%s is missing", name)
		}
	}
	for name, member := range value {
		property, known := s.Properties[name]
		switch {
		case known:
			v.check(at+"."+name, property, member)
		case s.AdditionalProperties != nil:
			v.check(at+"."+name, s.AdditionalProperties, member)
		case len(s.Properties) > 0 && !dropped[name]:
			v.report(at, "%s is not in the schema", name)
		}
	}
}
