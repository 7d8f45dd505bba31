package api_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"kasse/service"
	"kasse/service/payment"
)

// TestViewIsTheContract: openapi.yaml has the members that a status view has. A member that it lacks is in no generated
// client.
func TestViewIsTheContract(t *testing.T) {
	schemas := contract(t).Components.Schemas
	var public, all []string
	for name := range schemas["PublicView"].Value.Properties {
		public = append(public, name)
	}
	all = slices.Clone(public)
	for _, part := range schemas["View"].Value.AllOf {
		if part.Ref == "" {
			all = slices.AppendSeq(all, maps.Keys(part.Value.Properties))
		}
	}
	view := payment.View{}.JSON()
	for schema, tt := range map[string]struct {
		want []string
		sent []byte
	}{"PublicView": {public, payment.PublicPart(view)}, "View": {all, view}} {
		var sent map[string]any
		if err := json.Unmarshal(tt.sent, &sent); err != nil {
			t.Fatal(err)
		}
		for _, name := range tt.want {
			if _, there := sent[name]; !there {
				t.Errorf("schema %s of openapi.yaml has the member %s, service/payment/view.go has not", schema, name)
			}
		}
		for name := range sent {
			if !slices.Contains(tt.want, name) {
				t.Errorf("service/payment/view.go has the member %s, schema %s of openapi.yaml has not: add it there, "+
					"then `make api-docs`, the clients' types, and `make breaking`", name, schema)
			}
		}
	}
}

// TestScopesAreTheContract: each text that names all scopes names those of service/caller.go.
func TestScopesAreTheContract(t *testing.T) {
	about := contract(t).Components.SecuritySchemes["serviceKey"].Value.Description
	for _, scope := range service.Scopes {
		if !strings.Contains(about, "`"+string(scope)+"`") {
			t.Errorf("serviceKey in openapi.yaml does not name the scope %s of service/caller.go: %s", scope, about)
		}
	}
	for file, list := range map[string]string{
		"docs/configuration.md":                   "scopes `" + service.JoinScopes(" ") + "`",
		"clients/typescript/src/server/server.ts": "need: " + service.JoinScopes(", ") + ".",
	} {
		text, err := os.ReadFile("../" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), list) {
			t.Errorf("%s names other scopes than service/caller.go: want %q", file, list)
		}
	}
}

// TestEveryScopeOpensARoute: each scope is required by a route.
func TestEveryScopeOpensARoute(t *testing.T) {
	asked := map[string]bool{}
	for _, item := range contract(t).Paths.Map() {
		for _, op := range item.Operations() {
			if op.Security == nil {
				continue
			}
			for _, requirement := range *op.Security {
				for _, scope := range requirement["serviceKey"] {
					asked[scope] = true
				}
			}
		}
	}
	for _, scope := range service.Scopes {
		if !asked[string(scope)] {
			t.Errorf("no operation of openapi.yaml asks for the scope %s of service/caller.go", scope)
		}
		delete(asked, string(scope))
	}
	for scope := range asked {
		t.Errorf("openapi.yaml asks for the scope %s, which service/caller.go does not have", scope)
	}
}
