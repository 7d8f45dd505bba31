package stripesim

import (
	"html/template"
	"io"
	"net/http"
	"net/url"
)

// pagePath is where the simulator's bank pages live; the token after it is the only credential they ask for.
const pagePath = "/authorize/"

var bankPage = template.Must(template.New("bank").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Test bank</title>
<style>body{font:1.1rem/1.5 system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1rem;margin-right:.5rem}</style>
<h1>Test bank</h1>
<p>{{.Method}} payment of <strong>{{.Amount}}</strong>. No money moves.</p>
<form method="post"><button name="outcome" value="success">Authorize test payment</button> <button name="outcome" value="failure">Fail test payment</button></form>
</html>
`))

// showPage answers GET /authorize/{token}.
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
	_ = bankPage.Execute(w, map[string]string{"Method": m.Type, "Amount": price(pi.Amount, pi.Currency)})
}

// leavePage answers POST /authorize/{token}: the customer authorised the payment or did not, and goes back to the shop.
func (s *Server) leavePage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	back, ok := s.answerPage(r.PathValue("token"), r.PostFormValue("outcome") != "failure")
	switch {
	case !ok:
		http.Error(w, "This page is no longer valid.", http.StatusGone)
	case back == "":
		_, _ = io.WriteString(w, "Done. You can close this page.")
	default:
		http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // to wherever the shop asked for: that is what a bank page does
	}
}

// answerPage returns where the customer goes then; ok is false for a page that was answered before, or whose payment went another way.
func (s *Server) answerPage(token string, agreed bool) (back string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	pi, ok := s.account.waitingAt(token)
	if !ok {
		return "", false
	}
	s.account.authenticate(pi, agreed)
	return returnURL(pi, agreed), true
}

// waitingAt is the intent that still waits at a page.
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
	a.fail(pi, authenticationFailure(m))
}

func authenticationFailure(m *method) *failure {
	f := invalid("payment_intent_authentication_failure", "", textNotAuthenticated)
	f.PaymentMethod = m
	return f
}

// returnURL is the shop's own address with what Stripe appends to it: https://docs.stripe.com/payments/accept-a-payment?ui=elements#web-handle-redirect.
func returnURL(pi *intent, agreed bool) string {
	to, err := url.Parse(pi.returnURL)
	if err != nil || pi.returnURL == "" {
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
