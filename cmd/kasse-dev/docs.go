package main

import (
	_ "embed"
	"net/http"
)

// apiPage is openapi.yaml as a page. It is rendered by `make api-docs` and not here, since what renders it would
// make up a good part of this program's compilation.
//
//go:embed docs.html
var apiPage []byte

// docs serves openapi.yaml as a page. It has styles of its own and no script, unlike the shop's page.
func docs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(
		"Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
	)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(apiPage)
}
