package apidocs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// collectionFormat names Postman's format, which Bruno, Insomnia and Hoppscotch also import:
// https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html.
const collectionFormat = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

type (
	collection struct {
		Info      collectionInfo `json:"info"`
		Auth      auth           `json:"auth"`
		Variables []pair         `json:"variable"`
		Folders   []folder       `json:"item"`
	}
	collectionInfo struct {
		Name   string `json:"name"`
		Schema string `json:"schema"`
	}
	folder struct {
		Name  string `json:"name"`
		Items []item `json:"item"`
	}
	item struct {
		Name    string  `json:"name"`
		Request request `json:"request"`
	}
	request struct {
		Method      string `json:"method"`
		Description string `json:"description,omitempty"`
		Auth        *auth  `json:"auth,omitempty"` // nil: that of the collection
		Header      []pair `json:"header"`
		URL         target `json:"url"`
		Body        *body  `json:"body,omitempty"`
	}
	auth struct {
		Type   string `json:"type"`
		Bearer []pair `json:"bearer,omitempty"`
	}
	pair struct {
		Key      string `json:"key"`
		Value    string `json:"value"`
		Disabled bool   `json:"disabled,omitempty"`
	}
	target struct {
		Raw       string   `json:"raw"`
		Host      []string `json:"host"`
		Path      []string `json:"path"`
		Query     []pair   `json:"query,omitempty"`
		Variables []pair   `json:"variable,omitempty"` // path parameters
	}
	body struct {
		Mode string `json:"mode"`
		Raw  string `json:"raw"`
	}
)

// Collection converts the document to a Postman collection: a folder for each tag that callers use, and a
// request for each operation, with the document's examples. Its variables match kasse-dev.
func Collection(document []byte) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("the API document: %w", err)
	}
	out := collection{
		Info: collectionInfo{Name: doc.Info.Title, Schema: collectionFormat},
		Auth: auth{Type: "bearer", Bearer: []pair{{Key: "token", Value: "{{credential}}"}}},
		Variables: []pair{
			{Key: "base_url", Value: "http://127.0.0.1:8080"},
			{Key: "credential", Value: "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"},
			{Key: "payment_intent", Value: "pi_"},
			{Key: "order_id", Value: "order-1"},
		},
	}
	for _, s := range sections(doc) {
		f := folder{Name: s.Name}
		for _, op := range s.Operations {
			if !slices.Contains([]string{"Webhooks", "Probes"}, s.Name) && strings.HasPrefix(op.Path, "/") {
				f.Items = append(f.Items, item{op.Summary, requestOf(doc, op)})
			}
		}
		if len(f.Items) > 0 {
			out.Folders = append(out.Folders, f)
		}
	}
	text, err := json.MarshalIndent(out, "", "\t")
	return append(text, '\n'), err
}

// requestOf makes an operation's request. Optional parts are included but disabled.
func requestOf(doc *openapi3.T, op operation) request {
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	r := request{
		Method: op.Method, Description: strings.TrimSpace(op.Description), Header: []pair{},
		URL: target{Raw: "{{base_url}}" + path, Host: []string{"{{base_url}}"}, Path: strings.Split(path[1:], "/")},
	}
	if access(doc, op) == "none" {
		r.Auth = &auth{Type: "noauth"}
	}
	for _, ref := range op.Parameters {
		p := ref.Value
		one := pair{Key: p.Name, Value: fmt.Sprint(p.Example), Disabled: !p.Required}
		switch p.In {
		case "path":
			r.URL.Variables = append(r.URL.Variables, pair{Key: p.Name, Value: "{{" + p.Name + "}}"})
		case "query":
			r.URL.Query = append(r.URL.Query, one)
		case "header":
			r.Header = append(r.Header, one)
		}
	}
	if op.RequestBody == nil {
		return r
	}
	if all := examples(op.RequestBody.Value.Content); len(all) > 0 {
		text, _ := json.MarshalIndent(all[0].Body, "", "  ") // an example is already JSON
		r.Header = append(r.Header, pair{Key: "Content-Type", Value: "application/json"})
		r.Body = &body{Mode: "raw", Raw: string(text)}
	}
	return r
}
