package stripesim

import (
	"html/template"
	"io"
	"net/http"
	"net/url"
)

// pagePath is the path of the simulator's bank pages. The token after it is the only credential.
const pagePath = "/authorize/"

var bankPage = template.Must(template.New("bank").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Test bank</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: max(1.5rem, 8vh) auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; margin: 0 }
form { display: grid; gap: .75rem; margin-top: 1.5rem }
button { font: inherit; font-weight: 600; padding: .75rem 1rem; border-radius: .5rem; border: 1px solid;
  background: none; color: inherit; cursor: pointer }
button[value=success] { background: light-dark(#174ea6, #8ab4f8); color: light-dark(#fff, #10151c);
  border-color: transparent }
button:focus-visible { outline: 3px solid light-dark(#174ea6, #8ab4f8); outline-offset: 2px }
</style>
<main><h1>Test bank</h1>
<p>Confirm the payment of <strong>{{.Amount}}</strong> by {{.Method}}. No money moves.</p>
<form method="post"><button name="outcome" value="success">Authorize test payment</button>
<button name="outcome" value="failure">Fail test payment</button></form></main>
</html>
`))

// leftPage is shown without a return URL: to a backend's test, or in the frame that Stripe.js opens for 3D
// Secure, which gets a message.
const leftPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Test bank</title>
<p style="font:1rem/1.5 system-ui">Done. You can close this page.</p>
<script>parent.postMessage("authentication over", "*")</script>
</html>
`

// showPage handles GET /authorize/{token}.
func (s *Server) showPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi, ok := s.account.waitingAt(r.PathValue("token"))
	if !ok {
		http.Error(w, "This page is no longer valid.", http.StatusGone)
		return
	}
	m, _ := s.account.methods.find(string(pi.PaymentMethod))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = bankPage.Execute(
		w, map[string]string{"Method": families[m.Type].label, "Amount": price(pi.Amount, pi.Currency)},
	)
}

// leavePage handles POST /authorize/{token}: the customer has authorised the payment or refused, and returns
// to the shop.
func (s *Server) leavePage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	back, ok := s.answerPage(r.PathValue("token"), r.PostFormValue("outcome") != "failure")
	switch {
	case !ok:
		http.Error(w, "This page is no longer valid.", http.StatusGone)
	case back == "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, leftPage)
	default:
		http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // the shop chooses the address
	}
}

// answerPage returns the shop's address. ok is false for a page that was used before, or whose payment has
// changed since.
func (s *Server) answerPage(token string, agreed bool) (back string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	pi, ok := s.account.waitingAt(token)
	if !ok {
		return "", false
	}
	s.account.changes++
	s.account.authenticate(pi, agreed)
	return returnURL(pi, agreed), true
}

// waitingAt is the intent that waits at a page.
func (a *account) waitingAt(token string) (*intent, bool) {
	pi, ok := a.intents.find(a.pages[token])
	return pi, ok && pi.page == token
}

// authenticate is the customer's answer at the bank.
func (a *account) authenticate(pi *intent, agreed bool) {
	m, _ := a.methods.find(string(pi.PaymentMethod))
	if agreed {
		_ = a.proceed(pi, m)
		return
	}
	a.fail(pi, authenticationFailure(m, notAuthenticated))
}

// notAuthenticated is the code of a customer who does not agree.
const notAuthenticated = "payment_intent_authentication_failure"

// authenticationFailure is a failure without a charge, with either of its two codes.
func authenticationFailure(m *method, code string) *failure {
	f := invalid(code, "", textNotAuthenticated)
	f.PaymentMethod = m
	return f
}

// returnURL is the shop's own address with Stripe's parameters:
// https://docs.stripe.com/payments/accept-a-payment?ui=elements#web-handle-redirect.
func returnURL(pi *intent, agreed bool) string {
	to, err := url.Parse(pi.returnURL)
	if err != nil || pi.returnURL == "" || pi.inPage {
		return ""
	}
	outcome := "succeeded"
	if !agreed || pi.in(requiresPaymentMethod) {
		outcome = "failed"
	} else if pi.in(processing) {
		outcome = "pending"
	}
	query := to.Query()
	query.Set("payment_intent", pi.ID)
	query.Set("payment_intent_client_secret", pi.ClientSecret)
	query.Set("redirect_status", outcome)
	to.RawQuery = query.Encode()
	return to.String()
}
