// Write prints the API's page: go run ./cmd/kasse-dev/apidocs/write > api.html.
package main

import (
	"fmt"
	"os"

	spec "kasse"
	"kasse/cmd/kasse-dev/apidocs"
)

func main() {
	page, err := apidocs.Page(spec.OpenAPI)
	if err == nil {
		_, err = os.Stdout.Write(page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}
