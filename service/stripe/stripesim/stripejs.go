package stripesim

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// scriptPaths are where pages load Stripe.js from, as at https://js.stripe.com: the oldest address,
// and that of the newest release train.
var scriptPaths = []string{"/v3/{$}", "/endive/stripe.js"}

// stripejs holds the stand-in for Stripe.js. The real one shows the Payment Element in Stripe's frame. This
// one draws into a shadow root of the page, so its input is not protected from the page, and need not be.
//
//go:embed stripejs
var stripejs embed.FS

// stripeJS is the script: its parts in one scope, with the styles in it, since the page's content
// policy allows no others.
var stripeJS = buildStripeJS("ask", "fields", "methods", "dom", "challenge", "details", "element", "stripe")

func buildStripeJS(parts ...string) []byte {
	read := func(name string) string {
		text, err := stripejs.ReadFile("stripejs/" + name)
		if err != nil {
			panic(err) // it is compiled in
		}
		return string(text)
	}
	styles, err := json.Marshal(read("element.css"))
	if err != nil {
		panic(err) // a string can be marshalled
	}
	var script strings.Builder
	_, _ = fmt.Fprintf(&script, "(() => {\n'use strict';\nconst styles = %s;\n", styles)
	for _, part := range parts {
		script.WriteString(read(part + ".js"))
	}
	script.WriteString("})();\n")
	return []byte(script.String())
}

// serveStripeJS handles GET /v3/ and GET /endive/stripe.js. The script finds the simulator by the
// address that it was loaded from.
func serveStripeJS(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write(stripeJS)
}
