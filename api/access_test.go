package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	spec "kasse"
)

// TestAccessIsTheContract compares who may use a route with the credentials that openapi.yaml names for it.
func TestAccessIsTheContract(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(spec.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Routes() {
		var want []string
		for _, requirement := range *doc.Paths.Find(r.Path).GetOperation(r.Method).Security {
			for scheme, scopes := range requirement {
				want = append(want, scheme+strings.Join(scopes, ","))
			}
		}
		var got []string
		if r.access.scope != "" {
			got = append(got, "serviceKey"+string(r.access.scope))
		}
		if r.access.token {
			got = append(got, "orderTokenAuth")
		}
		if r.access.clientSecret {
			got = append(got, "clientSecretAuth")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %s takes %v in api/api.go, and %v in openapi.yaml", r.Method, r.Path, got, want)
		}
	}
}
