package http_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	spec "kasse"
	"kasse/cmd/kasse-dev/apidocs"
)

const collectionFile = "kasse.postman_collection.json"

// TestCollectionIsCurrent: the file is the one that openapi.yaml generates.
func TestCollectionIsCurrent(t *testing.T) {
	want, err := apidocs.Collection(spec.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(collectionFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs from openapi.yaml: run make api-docs (%v)", collectionFile, err)
	}
}

type keyValue struct {
	Key, Value string
	Disabled   bool
}

type collectionRequest struct {
	Name    string
	Request struct {
		Method string
		Auth   *struct{ Type string }
		Header []keyValue
		URL    struct {
			Raw      string
			Variable []keyValue
		}
		Body *struct{ Raw string }
	}
}

// TestCollectionIsAccepted sends each request to a kasse-dev. None may be malformed, refused for its credential, or
// have no route. Refusals for the order's state or by Stripe are accepted.
func TestCollectionIsAccepted(t *testing.T) {
	var all struct {
		Variable []keyValue
		Item     []struct{ Item []collectionRequest }
	}
	text, err := os.ReadFile(collectionFile)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, v := range all.Variable {
		variables[v.Key] = v.Value
	}
	variables["base_url"] = kasseDev(t)["kasse"]
	variables["payment_intent"] = openPayment(t, variables)
	sent := 0
	for _, folder := range all.Item {
		for _, r := range folder.Item {
			status, answer := sendRequest(t, r, variables)
			if sent++; slices.Contains([]int{400, 401, 403, 404, 405, 413, 415, 428}, status) || status >= 500 {
				t.Errorf("%s: %d %s", r.Name, status, answer)
			}
		}
	}
	if sent < 10 {
		t.Errorf("only %d requests were sent", sent)
	}
}

// openPayment opens the order that the collection's variables name and returns its PaymentIntent.
func openPayment(t *testing.T, variables map[string]string) string {
	t.Helper()
	var r collectionRequest
	r.Request.Method, r.Request.URL.Raw = http.MethodPost, "{{base_url}}/v1/payments"
	r.Request.Header = []keyValue{{Key: "Content-Type", Value: "application/json"}}
	r.Request.Body = &struct{ Raw string }{`{"order_id":"{{order_id}}","amount":4200,"currency":"eur"}`}
	status, answer := sendRequest(t, r, variables)
	var opened struct {
		PaymentIntent string `json:"payment_intent"`
	}
	if err := json.Unmarshal(answer, &opened); err != nil || status != http.StatusCreated {
		t.Fatalf("the create was answered with %d %s", status, answer)
	}
	return opened.PaymentIntent
}

// sendRequest sends a request as Postman does: with its variables, without disabled parts.
func sendRequest(t *testing.T, r collectionRequest, variables map[string]string) (int, []byte) {
	t.Helper()
	fill := func(text string) string {
		for _, v := range r.Request.URL.Variable {
			text = strings.ReplaceAll(text, ":"+v.Key, v.Value)
		}
		for name, value := range variables {
			text = strings.ReplaceAll(text, "{{"+name+"}}", value)
		}
		return text
	}
	var body io.Reader
	if r.Request.Body != nil {
		body = strings.NewReader(fill(r.Request.Body.Raw))
	}
	request, err := http.NewRequestWithContext(t.Context(), r.Request.Method, fill(r.Request.URL.Raw), body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Request.Header {
		if !h.Disabled {
			request.Header.Set(h.Key, fill(h.Value))
		}
	}
	if r.Request.Auth == nil {
		request.Header.Set("Authorization", "Bearer "+variables["credential"])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}
