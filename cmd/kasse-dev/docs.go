package main

import (
	_ "embed"
	"net/http"
)

// apiPage is openapi.yaml as a page. `make api-docs` renders it, since linking the renderer would slow down
// this program's compilation.
//
//go:embed docs.html
var apiPage []byte

// docs serves openapi.yaml as a page. It has inline styles and no script, unlike the shop's page.
func docs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(
		"Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
	)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(apiPage)
}
