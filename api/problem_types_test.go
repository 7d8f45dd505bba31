package api

import (
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	spec "kasse"
	"kasse/service/payment"
)

// TestProblemTypesAreTheContract compares the table of codes with the one that openapi.yaml shows to people.
func TestProblemTypesAreTheContract(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(spec.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(doc.Components.Schemas["ProblemCode"].Value.Description) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		rows++
		code, got := strings.Trim(cells[1], " `"), problemTypes[payment.Code(strings.Trim(cells[1], " `"))]
		if want := strings.TrimSpace(cells[2]) + strings.TrimSpace(cells[3]); strconv.Itoa(
			got.status,
		)+got.title != want {
			t.Errorf("%s is %+v, the contract says %s", code, got, want)
		}
		if got.status >= 500 && !got.retryable {
			t.Errorf("%s cannot be sent again", code)
		}
	}
	if rows != len(problemTypes) {
		t.Errorf("the contract has %d codes, the table %d", rows, len(problemTypes))
	}
}
