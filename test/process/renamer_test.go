package process_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// The ids of a story contain the number of the repetition: in repetition 7 "pi_3x" is "pi_3xt07",
// and "conv-1" is "conv-1.t07".
var (
	stripeName = regexp.MustCompile(`\b(?:pi|evt|ch|py|re|pyr|dp|du)_[0-9A-Za-z]{10,}`)
	orderName  = regexp.MustCompile(`\bconv-[0-9]+`)

	renamedStripe = regexp.MustCompile(`\b((?:pi|evt|ch|py|re|pyr|dp|du)_[0-9A-Za-z]{10,})t([0-9]{2})\b`)
	renamedOrder  = regexp.MustCompile(`\b(conv-[0-9]+)\.t[0-9]{2}`)
)

// rename replaces all ids in a text by those of the repetition.
func rename(text string, repetition int) string {
	text = stripeName.ReplaceAllString(text, fmt.Sprintf("${0}t%02d", repetition))
	return orderName.ReplaceAllString(text, fmt.Sprintf("${0}.t%02d", repetition))
}

// unrename replaces all ids of a repetition in a text by the recorded ones.
func unrename(text string) string {
	return renamedOrder.ReplaceAllString(renamedStripe.ReplaceAllString(text, "$1"), "$1")
}

// newRenamer starts a proxy of Stripe that serves the payments of every repetition of a story, and
// returns its URL. The proxy requests the recorded payment, and renames the ids in the response.
func newRenamer(t *testing.T, stripe string) string {
	t.Helper()
	client := newClient(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri, body := r.URL.RequestURI(), new(strings.Builder)
		if _, err := io.Copy(body, r.Body); err != nil {
			return
		}
		header := map[string]string{}
		for name := range r.Header {
			header[name] = r.Header.Get(name)
		}
		delete(header, "Accept-Encoding") // so that the response is not compressed
		a, err := call(r.Context(), client, r.Method, stripe+unrename(uri), header, body.String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for _, name := range []string{"Content-Type", "Date", "Request-Id"} {
			w.Header().Set(name, a.header.Get(name))
		}
		w.WriteHeader(a.status)
		text := string(a.body)
		if found := renamedStripe.FindStringSubmatch(uri); found != nil {
			var repetition int
			_, _ = fmt.Sscanf(found[2], "%d", &repetition)
			text = rename(text, repetition)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
