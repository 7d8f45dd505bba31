// Package spec_test checks that openapi.yaml is consistent: it loads, every example matches its schema, and every
// response has the headers that the contract requires.
//
// The API tests check that the server does what the document promises.
package spec_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	spec "kasse"
)

// load parses the embedded document.
func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(spec.OpenAPI)
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	return doc
}

// operations returns every operation by its operationId.
func operations(t *testing.T) map[string]*openapi3.Operation {
	t.Helper()
	all := map[string]*openapi3.Operation{}
	for _, item := range load(t).Paths.Map() {
		for _, op := range item.Operations() {
			all[op.OperationID] = op
		}
	}
	return all
}

func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	if doc.OpenAPI != "3.1.1" {
		t.Errorf("openapi is %q, want 3.1.1", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("validate openapi.yaml: %v", err)
	}
}

// TestExamplesFitTheirSchemas checks the JSON that a client would see, not the parsed YAML, under the rules
// of JSON Schema 2020-12, which OpenAPI 3.1 uses.
func TestExamplesFitTheirSchemas(t *testing.T) {
	for id, op := range operations(t) {
		t.Run(id, func(t *testing.T) {
			if op.RequestBody != nil {
				checkExamples(t, "request", op.RequestBody.Value.Content, openapi3.VisitAsRequest())
			}
			for status, response := range op.Responses.Map() {
				checkExamples(t, status, response.Value.Content, openapi3.VisitAsResponse())
			}
		})
	}
}

// TestPushedExamples: the examples of pushed events match their schema, and the schema refuses incomplete events.
func TestPushedExamples(t *testing.T) {
	pushed := load(t).Webhooks["event"].Post
	checkExamples(t, "push", pushed.RequestBody.Value.Content, openapi3.VisitAsRequest())
	for _, missing := range []string{`{}`, `{"timestamp":"2026-11-23T12:01:31Z","truncated":false}`} {
		if check(t, "PushedEvent", missing) == nil {
			t.Errorf("PushedEvent accepts %s", missing)
		}
	}
}

// checkExamples checks that the examples match their schemas. Each JSON content must have an example, since the
// examples are test data.
func checkExamples(t *testing.T, where string, content openapi3.Content, direction openapi3.SchemaValidationOption) {
	t.Helper()
	for mediaType, media := range content {
		if !strings.HasSuffix(mediaType, "json") {
			continue
		}
		if len(media.Examples) == 0 {
			t.Errorf("%s: %s has no example", where, mediaType)
		}
		for name, example := range media.Examples {
			err := media.Schema.Value.VisitJSON(roundTrip(t, example.Value.Value), direction,
				openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation(), openapi3.MultiErrors())
			if err != nil {
				t.Errorf("%s: example %s: %v", where, name, err)
			}
		}
	}
}

// roundTrip returns the value as encoding/json would decode it from the wire.
func roundTrip(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// TestSchemasRefuse: schemas refuse wrong values. With a schema that accepts every value, the test above would pass.
func TestSchemasRefuse(t *testing.T) {
	tests := map[string]struct{ schema, value string }{
		"unknown member": {"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","ammount":2}`},
		"amount as text": {"PaymentCreate", `{"order_id":"a","amount":"1","currency":"eur"}`},
		"amount of zero": {"PaymentCreate", `{"order_id":"a","amount":0,"currency":"eur"}`},
		"no amount":      {"PaymentCreate", `{"order_id":"a","currency":"eur"}`},
		"amount null":    {"PaymentCreate", `{"order_id":"a","amount":null,"currency":"eur"}`},
		"Kasse's metadata key": {
			"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","metadata":{"kasse_x":"y"}}`,
		},
		"empty metadata": {"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","metadata":{"x":""}}`},
		"metadata null":  {"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","metadata":{"x":null}}`},
		"brackets":       {"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","metadata":{"x[0]":"y"}}`},
		"long address": {
			"PaymentCreate",
			`{"order_id":"a","amount":1,"currency":"eur","receipt_email":"` + strings.Repeat("a", 250) + `@b.de"}`,
		},
		"suffix of digits": {
			"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","statement_descriptor_suffix":"123"}`,
		},
		"suffix with stars": {
			"PaymentCreate", `{"order_id":"a","amount":1,"currency":"eur","statement_descriptor_suffix":"A*B"}`,
		},
		"token with more":  {"PaymentCreateByToken", `{"terms":{}}`},
		"change to null":   {"PaymentChange", `{"amount":null}`},
		"change of more":   {"PaymentChange", `{"amount":1,"currency":"eur"}`},
		"own reason":       {"PaymentCancel", `{"reason":"tired"}`},
		"order id":         {"OrderID", `"../a"`},
		"another surface":  {"CustomerSessionOptions", `{"surface":"watch"}`},
		"no filter":        {"CustomerSessionOptions", `{"allow_redisplay_filters":[]}`},
		"filter twice":     {"CustomerSessionOptions", `{"allow_redisplay_filters":["always","always"]}`},
		"fraction of time": {"Timestamp", `"2026-11-23T12:00:00.5Z"`},
		"unknown code":     {"ProblemCode", `"oops"`},
		"view without all": {"View", `{"payment_intent":"pi_1"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if check(t, test.schema, test.value) == nil {
				t.Errorf("%s accepts %s", test.schema, test.value)
			}
		})
	}
}

// TestOptionalMayBeNull: an optional member may be null.
func TestOptionalMayBeNull(t *testing.T) {
	for _, name := range []string{
		"PaymentCreateByToken", "PaymentCancel", "CustomerSessionCreate", "CustomerSessionOptions",
	} {
		var members []string
		for member := range load(t).Components.Schemas[name].Value.Properties {
			members = append(members, fmt.Sprintf("%q:null", member))
		}
		if err := check(t, name, "{"+strings.Join(members, ",")+"}"); err != nil || len(members) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// check returns an error if a value does not match a schema.
func check(t *testing.T, schema, text string) error {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return load(t).Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
}

// TestResponseHeaders: each response declares the headers that the contract requires for its status. Errors are problem
// documents.
func TestResponseHeaders(t *testing.T) {
	headers := map[string]string{"201": "Location", "304": "ETag", "401": "WWW-Authenticate", "429": "Retry-After"}
	for id, op := range operations(t) {
		t.Run(id, func(t *testing.T) {
			probe := slices.Contains(op.Tags, "Probes")
			for status, response := range op.Responses.Map() {
				want := []string{"X-Request-Id"}
				if name, ok := headers[status]; ok {
					want = append(want, name)
				}
				if status == "503" && !probe {
					want = append(want, "Retry-After")
				}
				for _, name := range want {
					if header := response.Value.Headers[name]; header == nil || !header.Value.Required {
						t.Errorf("response %s does not require the header %s", status, name)
					}
				}
				if status >= "400" && !probe && response.Value.Content["application/problem+json"] == nil {
					t.Errorf("response %s is not a problem document", status)
				}
			}
		})
	}
}

// problemRow is a line of the table in ProblemCode's description.
type problemRow struct{ status, title string }

func problemTable(codes *openapi3.Schema) map[string]problemRow {
	rows := map[string]problemRow{}
	for line := range strings.Lines(codes.Description) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(cells[1], "`") {
			code := strings.Trim(cells[1], " `")
			rows[code] = problemRow{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		}
	}
	return rows
}

func TestProblemTableHasEveryCode(t *testing.T) {
	codes := load(t).Components.Schemas["ProblemCode"].Value
	rows := problemTable(codes)
	for _, code := range codes.Enum {
		if _, ok := rows[code.(string)]; !ok {
			t.Errorf("code %s is not in the table", code)
		}
	}
	if len(rows) != len(codes.Enum) {
		t.Errorf("the table has %d codes, the enum %d", len(rows), len(codes.Enum))
	}
}

// TestProblemExamplesAgree: an example has its code as its name, and its type, status and title are those of the table.
func TestProblemExamplesAgree(t *testing.T) {
	rows := problemTable(load(t).Components.Schemas["ProblemCode"].Value)
	for id, op := range operations(t) {
		t.Run(id, func(t *testing.T) {
			for status, response := range op.Responses.Map() {
				media := response.Value.Content["application/problem+json"]
				if media == nil {
					continue
				}
				for code, example := range media.Examples {
					problem := roundTrip(t, example.Value.Value).(map[string]any)
					got := fmt.Sprintln(problem["code"], problem["type"], problem["status"], problem["title"])
					want := fmt.Sprintln(code, "urn:kasse:problem:"+code, status, rows[code].title)
					if got != want || rows[code].status != status {
						t.Errorf("%s: the example has %s, want %s", status, got, want)
					}
				}
			}
		})
	}
}

// TestOnlyRequestsAreClosed: clients must accept new members in responses, and Kasse accepts none in
// requests.
func TestOnlyRequestsAreClosed(t *testing.T) {
	requests := []string{
		"Address", "CustomerSessionCreate", "CustomerSessionOptions", "PaymentCancel", "PaymentCapture",
		"PaymentChange", "PaymentCreateByToken", "RefundCreate", "Shipping",
	}
	var closed []string
	for name, schema := range load(t).Components.Schemas {
		if has := schema.Value.AdditionalProperties.Has; has != nil && !*has {
			closed = append(closed, name)
		}
	}
	slices.Sort(closed)
	if !slices.Equal(closed, requests) {
		t.Errorf("closed schemas are %v, want %v", closed, requests)
	}
}
