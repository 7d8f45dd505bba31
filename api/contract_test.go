package api_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	spec "kasse"
	"kasse/api"
)

func TestRoutesAreTheContract(t *testing.T) {
	var want, got []string
	for path, item := range contract(t).Paths.Map() {
		for method, op := range item.Operations() {
			if !isProbe(op) {
				want = append(want, method+" "+path)
			}
		}
	}
	for _, route := range api.Routes() {
		got = append(got, route.Method+" "+route.Path)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("routes are\n%s\nthe contract has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestContractHasNoDefaults: clients that are generated fill in a default of a request, which then
// overrides the token's claim, or they make its member required.
func TestContractHasNoDefaults(t *testing.T) {
	for number, line := range strings.Split(string(spec.OpenAPI), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "default:") || strings.Contains(line, ", default:") {
			t.Errorf("line %d: %s", number+1, line)
		}
	}
}

// TestContractNamesAreDistinct: a generator of Go writes one name in capitals for a schema and for
// a security scheme, and one that meets both of them generates nothing.
func TestContractNamesAreDistinct(t *testing.T) {
	components := contract(t).Components
	seen := map[string]string{}
	note := func(kind, name string) {
		goName := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
		if other, there := seen[goName]; there {
			t.Errorf("the %s %s and the %s have one name in Go", kind, name, other)
		}
		seen[goName] = kind + " " + name
	}
	for name := range components.Schemas {
		note("schema", name)
	}
	for name := range components.SecuritySchemes {
		note("security scheme", name)
	}
}

// recorder is a testing.TB that remembers a failure.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

// TestContractIsChecked guards the transport: one that never complains would let everything pass.
func TestContractIsChecked(t *testing.T) {
	answers := func(status int, contentType, body string) http.RoundTripper {
		return roundTrip(func(r *http.Request) *http.Response {
			header := http.Header{
				"X-Request-Id": {"1"}, "X-Content-Type-Options": {"nosniff"}, "Content-Type": {contentType},
			}
			return &http.Response{
				StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}
		})
	}
	good := `{"publishable_key":"pk_test_1","livemode":false}`
	tests := map[string]struct {
		path   string
		answer http.RoundTripper
		fails  bool
	}{
		"as it should be":   {"/v1/config", answers(200, "application/json", good), false},
		"member missing":    {"/v1/config", answers(200, "application/json", `{"livemode":false}`), true},
		"other type":        {"/v1/config", answers(200, "text/plain", good), true},
		"status unknown":    {"/v1/config", answers(202, "application/json", good), true},
		"path unknown":      {"/v1/nothing", answers(200, "application/json", good), true},
		"query unknown":     {"/v1/events?limit=0", answers(200, "application/json", `{"events":[],"next":"a"}`), true},
		"no problem":        {"/v1/config", answers(500, "application/json", `{"message":"oops"}`), true},
		"problem of no use": {"/v1/config", answers(500, "application/problem+json", `{"code":"oops"}`), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := recorder{TB: t}
			client := http.Client{Transport: checkedBy(&r, test.answer)}
			res, err := client.Get("http://kasse.test" + test.path)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if r.failed != test.fails {
				t.Errorf("complained: %v, want %v", r.failed, test.fails)
			}
		})
	}
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
