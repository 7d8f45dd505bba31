package apidocs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	spec "kasse"
	"kasse/cmd/kasse-dev/apidocs"
)

func page(t *testing.T) string {
	t.Helper()
	page, err := apidocs.Page(spec.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestPageShowsTheWholeAPI: the page has each operation, status, parameter, schema and member of the
// document.
func TestPageShowsTheWholeAPI(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(spec.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	text := page(t)
	looked := 0
	wants := func(part string) {
		if looked++; !strings.Contains(text, part) {
			t.Errorf("the page has no %s", part)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			wants(`<article id="` + op.OperationID + `">`)
			wants("<code>" + method + " " + path + "</code>")
			for _, parameter := range op.Parameters {
				wants("<code>" + parameter.Value.Name + "</code>")
			}
		}
	}
	for name, schema := range doc.Components.Schemas {
		wants("<h3>" + name + "</h3>")
		for member := range schema.Value.Properties {
			wants("<code>" + member + "</code>")
		}
	}
	if looked < 100 {
		t.Errorf("only %d parts were looked for", looked)
	}
}

// TestServedPageIsCurrent: kasse-dev serves the page of the current document.
func TestServedPageIsCurrent(t *testing.T) {
	served, err := os.ReadFile("../docs.html")
	if err != nil {
		t.Fatal(err)
	}
	if string(served) != page(t) {
		t.Error("cmd/kasse-dev/docs.html is not what openapi.yaml says: run make api-docs")
	}
}

// TestPageLinksHaveTargets: every link within the page has its target.
func TestPageLinksHaveTargets(t *testing.T) {
	text := page(t)
	links := regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(text, -1)
	for _, link := range links {
		if !strings.Contains(text, `id="`+link[1]+`"`) {
			t.Errorf("a link leads nowhere: #%s", link[1])
		}
	}
	if len(links) < 50 {
		t.Errorf("only %d links were looked at", len(links))
	}
}

// TestPageNeedsNothingElse: the page loads no script, file or external resource.
func TestPageNeedsNothingElse(t *testing.T) {
	if match := regexp.MustCompile(`<(script|link|img|iframe)|src=|@import|url\(`).FindString(page(t)); match != "" {
		t.Errorf("the page loads something: %s", match)
	}
}

func TestPageRejectsBadDocument(t *testing.T) {
	if _, err := apidocs.Page([]byte("openapi: [")); err == nil {
		t.Error("a document that is not YAML is rendered")
	}
}

// TestPageEscapes: HTML and scripts in a document are escaped.
func TestPageEscapes(t *testing.T) {
	hostile := `{"openapi":"3.1.1","info":{"title":"<b>T","version":"1","description":"<script>x</script>"},"tags":[{"name":"T"}],
		"paths":{"/<b>p":{"get":{"operationId":"o","tags":["T"],"summary":"<i>s","responses":{"200":{"description":"<img>"}}}}},
		"components":{"schemas":{"S":{"type":"object","properties":{"<u>m":{"type":"string","pattern":"<em>"}}}}}}`
	page, err := apidocs.Page([]byte(hostile))
	if err != nil {
		t.Fatal(err)
	}
	if match := regexp.MustCompile(`<(b|i|u|em|img|script)>`).Find(page); match != nil {
		t.Errorf("the page has %s of the document", match)
	}
}
