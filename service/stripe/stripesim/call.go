package stripesim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody is the limit of a request's body in bytes, far above any request of Stripe's API.
const maxBody = 1 << 20

// endpoint is one route of the API.
type endpoint struct {
	pattern     string
	shape       shape
	publishable bool // may be called with a publishable key, as Stripe.js does
	do          func(*account, *call) (any, error)
}

// call is one request with its parsed parameters.
type call struct {
	*http.Request
	params      params
	reqID       string
	publishable bool
}

// answer is a finished response. An idempotency key replays it.
type answer struct {
	status int
	body   []byte
	origin string // Request-Id of the request that made it
	replay bool
}

// readCall checks the key and reads the parameters. The query counts only without a body, as at Stripe's GET
// endpoints.
func (s *Server) readCall(r *http.Request, reqID string, body []byte) (*call, *failure) {
	publishable, f := authenticate(r)
	if f != nil {
		return nil, f
	}
	form, err := url.ParseQuery(r.URL.RawQuery + "&" + string(body))
	if err != nil {
		return nil, invalid("", "", textBadForm)
	}
	form.Del("key") // Stripe.js sends its publishable key this way
	given, f := parseParams(form)
	if f != nil {
		return nil, f
	}
	return &call{Request: r, params: given, reqID: reqID, publishable: publishable}, nil
}

// readBody reads the whole body, to compare, log and parse it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return bytes.TrimSpace(body), err
}

// serve answers one request.
func (s *Server) serve(ctx context.Context, ep endpoint, r *http.Request, reqID string, body []byte,
	work faultPlan,
) answer {
	c, f := s.readCall(r, reqID, body)
	if f == nil && c.publishable && !ep.publishable {
		f = secretKeyRequired()
	}
	if f == nil {
		f = ep.shape.check(c.params, "")
	}
	if f != nil {
		return refuse(f, reqID)
	}
	return s.once(c, func() answer { return s.execute(ctx, ep, c, work) })
}

// execute runs the endpoint and renders its result under one lock.
func (s *Server) execute(ctx context.Context, ep endpoint, c *call, work faultPlan) answer {
	work.pause(ctx, s.done)
	if work.refusal != nil && !work.first {
		return refuse(work.refusal, c.reqID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	done := s.account.perform(ep, c)
	if work.refusal != nil {
		return refuse(work.refusal, c.reqID)
	}
	return done
}

func (a *account) perform(ep endpoint, c *call) answer {
	a.changes++
	a.base = "http://" + c.Host
	a.eventRequest = eventRequest{ID: text(c.reqID), Key: text(c.Header.Get("Idempotency-Key"))}
	defer func() { a.eventRequest = eventRequest{} }()
	result, err := ep.do(a, c)
	if err != nil {
		return a.presentFailure(c, asFailure(err))
	}
	return a.present(c, result)
}

// present renders a result in the request's API version, with the request's expansions, without the
// members that its key may not see.
func (a *account) present(c *call, result any) answer {
	if list := c.params.list("expand"); len(list) > 0 {
		expanded, f := a.expand(result, list)
		if f != nil {
			return refuse(f, c.reqID)
		}
		result = expanded
	}
	if pi, ok := result.(*intent); ok && c.publishable {
		result = pi.publicView()
	}
	body, err := a.renderFor(c, result)
	if err != nil {
		return refuse(serverError(), c.reqID)
	}
	return answer{status: http.StatusOK, body: body, origin: c.reqID}
}

// presentFailure renders a refusal; the objects in it have the request's API version.
func (a *account) presentFailure(c *call, f *failure) answer {
	f.RequestLogURL = requestLogURL(c.reqID)
	body, err := a.renderFor(c, map[string]*failure{"error": f})
	if err != nil {
		return refuse(serverError(), c.reqID)
	}
	return answer{status: f.status, body: body, origin: c.reqID}
}

// renderFor renders 2026-10-28.endive for a request that asks for it or a newer version, and
// 2024-06-20 for all others.
func (a *account) renderFor(c *call, value any) ([]byte, error) {
	version := nativeVersion
	if asked := c.Header.Get("Stripe-Version"); asked >= latestVersion {
		version = asked
	}
	rendered, err := a.inVersion(value, version)
	if err != nil {
		return nil, err
	}
	return render(rendered)
}

func requestLogURL(reqID string) string { return "https://dashboard.stripe.com/test/logs/" + reqID }

func refuse(f *failure, reqID string) answer {
	f.RequestLogURL = requestLogURL(reqID)
	body, err := render(map[string]*failure{"error": f})
	if err != nil {
		body = []byte(`{"error": {"type": "api_error"}}`)
	}
	return answer{status: f.status, body: body, origin: reqID}
}

// authenticate accepts test keys only, in either of Stripe's two ways, and reports whether the key
// is a publishable one.
func authenticate(r *http.Request) (publishable bool, f *failure) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		key, _, _ = r.BasicAuth()
	}
	if key == "" {
		key = r.URL.Query().Get("key")
	}
	switch {
	case key == "":
		return false, unauthorized(textNoKey)
	case strings.HasPrefix(key, "sk_test_"), strings.HasPrefix(key, "rk_test_"):
		return false, nil
	case strings.HasPrefix(key, "pk_test_"):
		return true, nil
	}
	return false, unauthorized("Invalid API Key provided: " + masked(key))
}

func unauthorized(message string) *failure {
	return &failure{status: http.StatusUnauthorized, Type: typeRequest, Message: message}
}

func secretKeyRequired() *failure {
	return invalid("secret_key_required", "", textSecretKey).withStatus(http.StatusForbidden)
}

// masked keeps the prefix and the last four letters, as Stripe's message does.
func masked(key string) string {
	if len(key) < 13 {
		return strings.Repeat("*", len(key))
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}
