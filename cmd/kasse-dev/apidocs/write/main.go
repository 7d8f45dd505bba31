// Write prints the API as a page or a collection: go run ./cmd/kasse-dev/apidocs/write page > api.html.
package main

import (
	"errors"
	"fmt"
	"os"

	spec "kasse"
	"kasse/cmd/kasse-dev/apidocs"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	kinds := map[string]func([]byte) ([]byte, error){"page": apidocs.Page, "collection": apidocs.Collection}
	if len(args) != 1 || kinds[args[0]] == nil {
		return errors.New("one argument is required: page or collection")
	}
	text, err := kinds[args[0]](spec.OpenAPI)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	return err
}
