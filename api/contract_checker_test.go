package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/santhosh-tekuri/jsonschema/v6"

	spec "kasse"
)

// document parses openapi.yaml once for all tests.
var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(spec.OpenAPI) })

// checkedBy returns a transport that checks by openapi.yaml.
func checkedBy(t testing.TB, next http.RoundTripper) checked {
	t.Helper()
	w, err := onWire()
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	return checked{t: t, wire: w, next: next}
}

func contract(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	return doc
}

// checked is a transport that fails the test if a request or response violates openapi.yaml.
type checked struct {
	t      testing.TB
	wire   *wire
	next   http.RoundTripper
	probes bool // it goes to the admin listener
}

type meantToBeBad struct{}

// bad marks a request that the contract does not allow: only its answer is checked.
func bad(ctx context.Context) context.Context { return context.WithValue(ctx, meantToBeBad{}, true) }

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	in := c.match(r)
	if r.Context().Value(meantToBeBad{}) == nil {
		if in == nil {
			c.t.Errorf("%s %s is not in the contract", r.Method, r.URL.Path)
		} else if err := c.checkRequest(in); err != nil { //nolint:contextcheck // the input has the request
			c.t.Errorf("%s %s: the request breaks the contract: %v", r.Method, r.URL.Path, err)
		}
	}
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err := c.checkAnswer(r.Context(), in, res, body); err != nil {
		c.t.Errorf("%s %s: the answer %d breaks the contract: %v\n%s", r.Method, r.URL.Path, res.StatusCode, err, body)
	}
	return res, nil
}

// checkRequest leaves the body of the request to be read again.
func (c checked) checkRequest(in *openapi3filter.RequestValidationInput) error {
	r := in.Request
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil || in.Route.Operation.RequestBody == nil {
		return err
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if len(body) == 0 {
		return nil // kin-openapi has checked that there may be none
	}
	return c.wire.check(in.Route.Operation.RequestBody.Value.Content, r.Header.Get("Content-Type"), body)
}

// match finds the operation of a request; nil where the contract has none.
func (c checked) match(r *http.Request) *openapi3filter.RequestValidationInput {
	for path, item := range c.wire.doc.Paths.Map() {
		params, ok := matchPath(path, r.URL.EscapedPath())
		op := item.GetOperation(r.Method)
		if r.Method == http.MethodHead {
			op = item.Get
		}
		if !ok || op == nil || isProbe(op) != c.probes {
			continue
		}
		return &openapi3filter.RequestValidationInput{
			Request: r, PathParams: params,
			Route: &routers.Route{Spec: c.wire.doc, Path: path, PathItem: item, Method: r.Method, Operation: op},
			Options: &openapi3filter.Options{
				IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
				RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
				ExcludeResponseBody: path == "/openapi.yaml", // a string that is YAML is read as YAML
			},
		}
	}
	return nil
}

func matchPath(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	params := map[string]string{}
	for i, segment := range want {
		if len(got) != len(want) || !strings.HasPrefix(segment, "{") && segment != got[i] {
			return nil, false
		}
		if strings.HasPrefix(segment, "{") {
			params[strings.Trim(segment, "{}")], _ = url.PathUnescape(got[i])
		}
	}
	return params, true
}

// checkAnswer also checks the contract's rules for every response, even of unknown operations.
func (c checked) checkAnswer(
	ctx context.Context, in *openapi3filter.RequestValidationInput, res *http.Response, body []byte,
) error {
	if res.Header.Get("X-Request-Id") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		return fmt.Errorf("header missing in %v", res.Header)
	}
	if res.Request.Method == http.MethodHead || res.StatusCode == http.StatusNotModified {
		if len(body) > 0 {
			return fmt.Errorf("a body where there is none")
		}
		return nil
	}
	if res.StatusCode >= 400 && (in == nil || !c.probes) {
		if err := c.checkProblem(in == nil, res, body); err != nil {
			return err
		}
	}
	switch {
	case in != nil:
		return c.checkBody(ctx, in, res, body)
	case res.StatusCode < 400:
		return fmt.Errorf("no such operation")
	}
	return nil
}

func isProbe(op *openapi3.Operation) bool { return slices.Contains(op.Tags, "Probes") }

// checkProblem also checks the schema where no operation does.
func (c checked) checkProblem(schema bool, res *http.Response, body []byte) error {
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("Content-Type is %q", got)
	}
	var problem map[string]any
	if err := unmarshal(body, &problem); err != nil {
		return err
	}
	if problem["request_id"] != res.Header.Get("X-Request-Id") || problem["status"] != float64(res.StatusCode) {
		return fmt.Errorf("request_id or status differ from the answer's own")
	}
	if !schema {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.wire.problem.Validate(value)
}

func (c checked) checkBody(
	ctx context.Context, in *openapi3filter.RequestValidationInput, res *http.Response, body []byte,
) error {
	err := openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options,
	})
	responses := in.Route.Operation.Responses
	response := responses.Status(res.StatusCode)
	if response == nil {
		response = responses.Default()
	}
	if err != nil || response == nil || in.Options.ExcludeResponseBody {
		return err
	}
	return c.wire.check(response.Value.Content, res.Header.Get("Content-Type"), body)
}
