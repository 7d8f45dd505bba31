package main

import (
	"net/http"
	"sync"

	spec "kasse"
	"kasse/cmd/kasse-dev/apidocs"
)

// apiPage is rendered at the first request.
var apiPage = sync.OnceValues(func() ([]byte, error) { return apidocs.Page(spec.OpenAPI) })

// docs serves openapi.yaml as a page. It has styles of its own and no script, unlike the shop's page.
func docs(w http.ResponseWriter, _ *http.Request) {
	page, err := apiPage()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}
