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

// A telling of a story names everything after itself: "pi_3x" is "pi_3xt07" in the telling 7, and "conv-1" is
// "conv-1.t07".
var (
	stripeName = regexp.MustCompile(`\b(?:pi|evt|ch|py|re|pyr|dp|du)_[0-9A-Za-z]{10,}`)
	orderName  = regexp.MustCompile(`\bconv-[0-9]+`)

	renamedStripe = regexp.MustCompile(`\b((?:pi|evt|ch|py|re|pyr|dp|du)_[0-9A-Za-z]{10,})t([0-9]{2})\b`)
	renamedOrder  = regexp.MustCompile(`\b(conv-[0-9]+)\.t[0-9]{2}`)
)

func rename(text string, telling int) string {
	text = stripeName.ReplaceAllString(text, fmt.Sprintf("${0}t%02d", telling))
	return orderName.ReplaceAllString(text, fmt.Sprintf("${0}.t%02d", telling))
}

func unrename(text string) string {
	return renamedOrder.ReplaceAllString(renamedStripe.ReplaceAllString(text, "$1"), "$1")
}

// newRenamer is a proxy of Stripe that knows the payments of every repetition of a story. It requests the
// recorded payment, and renames the response.
func newRenamer(t *testing.T, stripe string) string {
	t.Helper()
	client := newClient(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, body := r.URL.RequestURI(), new(strings.Builder)
		if _, err := io.Copy(body, r.Body); err != nil {
			return
		}
		header := map[string]string{}
		for name := range r.Header {
			header[name] = r.Header.Get(name)
		}
		delete(header, "Accept-Encoding")
		a, err := call(r.Context(), client, r.Method, stripe+unrename(asked), header, body.String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for _, name := range []string{"Content-Type", "Date", "Request-Id"} {
			w.Header().Set(name, a.header.Get(name))
		}
		w.WriteHeader(a.status)
		text := string(a.body)
		if found := renamedStripe.FindStringSubmatch(asked); found != nil {
			var telling int
			_, _ = fmt.Sscanf(found[2], "%d", &telling)
			text = rename(text, telling)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
