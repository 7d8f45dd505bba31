package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// maxWait is the longest that a poll is held, in seconds; common proxies cut at 30.
const maxWait = 25

// Parker takes over the connections of waiting requests, so that they need neither a goroutine nor buffers.
type Parker interface {
	// Park takes over the connection of a request without a body, and reports whether it did. The request is
	// then answered once, by answer, which does not block, and nothing else is written. header is the
	// request's own. gone is called at most once, possibly before Park returns, or after the answer: the
	// client has ended its sending side, and must be answered at once.
	Park(w http.ResponseWriter, r *http.Request, gone func()) (
		answer func(status int, header http.Header, body []byte), ok bool,
	)
}

// status sends the payment. While the caller has the current version the response is held: until there is
// another version, until the wait parameter is over, or until the server drains.
func (a *api) status(c echo.Context, id payment.ID, wait time.Duration) error {
	ctx, caller := c.Request().Context(), infoOf(c).caller
	var stored payment.StoredView
	var known bool
	var err error
	if wait > 0 { // it is held without a read, if it knows what was answered a moment ago
		stored.Version, known = a.service.HeldVersion(caller, id)
	}
	if !known || !noneMatch(c.Request().Header, etag(stored.Version)) {
		stored, err = a.service.Status(ctx, caller, id)
	}
	err = a.limitHolder(c, id, err)
	if err == nil && wait > 0 && noneMatch(c.Request().Header, etag(stored.Version)) {
		o := service.WaitOptions{For: wait, Released: a.Draining}
		if a.park(c, id, stored.Version, o) {
			return nil
		}
		stored, err = a.service.StatusAfter(ctx, caller, id, stored.Version, o)
	}
	if err != nil {
		return err
	}
	return answerStatus(c, stored)
}

// answerStatus sends the view, or 304 if the caller has it.
func answerStatus(c echo.Context, stored payment.StoredView) error {
	tag := etag(stored.Version)
	h := c.Response().Header()
	h[headerETag] = []string{tag}
	if noneMatch(c.Request().Header, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	h[echo.HeaderContentType] = applicationJSON
	c.Response().WriteHeader(http.StatusOK)
	_, err := c.Response().Write(stored.View)
	return err
}

// parkedStatus is the data for the response to a parked request. Echo's context returns to its pool
// meanwhile.
type parkedStatus struct {
	api                    *api
	ctx                    context.Context
	requestID, credential  string
	caller                 service.Caller
	began                  time.Time
	remote                 string   // the peer's address
	ifNoneMatch, forwarded []string // the fields of the request that the answer depends on
	header                 []field  // of the answer, as far as it is known
	answer                 func(status int, header http.Header, body []byte)
	rebuilt                *contextWithInfo // nil until it is needed
}

// field is one line of a header. A list of them takes a third of the memory of a map.
type field struct{ name, value string }

// cloned copies strings that are parts of the text of a request, which would be kept as a whole.
func cloned(values []string) []string {
	copies := slices.Clone(values)
	for i, value := range copies {
		copies[i] = strings.Clone(value)
	}
	return copies
}

func fieldsOf(h http.Header) []field {
	fields := make([]field, 0, len(h))
	for name, values := range h {
		for _, value := range values {
			if name == echo.HeaderXRequestID || name == echo.HeaderAccessControlAllowOrigin {
				value = strings.Clone(value) // it came with the request
			}
			fields = append(fields, field{name, value})
		}
	}
	return fields
}

// park holds the request without its goroutine, and reports whether it could.
func (a *api) park(c echo.Context, id payment.ID, version int64, o service.WaitOptions) bool {
	r, x := c.Request(), infoOf(c)
	if a.Parker == nil || r.Method != http.MethodGet {
		return false
	}
	p := &parkedStatus{
		api: a, ctx: a.outliving(r.Context()), requestID: strings.Clone(x.requestID), credential: x.credential,
		caller: x.caller, began: x.began, remote: r.RemoteAddr, ifNoneMatch: cloned(r.Header[headerIfNoneMatch]),
		forwarded: cloned(r.Header[echo.HeaderXForwardedFor]), header: fieldsOf(c.Response().Header()),
	}
	p.caller.Refused = p.refused
	p.caller.Secret = payment.Secret(strings.Clone(string(p.caller.Secret)))
	h := a.service.HoldStatus(p.ctx, p.caller, payment.ID(strings.Clone(string(id))), version, o)
	answer, ok := a.Parker.Park(c.Response().Writer, r, h.Release)
	if !ok {
		return false
	}
	x.parked, p.answer = true, answer
	h.Begin(p.end)
	return true
}

// outliving is what of a request's context is kept while it is parked.
func (a *api) outliving(ctx context.Context) context.Context {
	if a.Outliving == nil {
		return context.Background()
	}
	return a.Outliving(ctx)
}

// context is Echo's context of the request again.
func (p *parkedStatus) context() *contextWithInfo {
	if p.rebuilt != nil {
		return p.rebuilt
	}
	r := &http.Request{Method: http.MethodGet, RemoteAddr: p.remote, Header: http.Header{}}
	for name, values := range map[string][]string{
		headerIfNoneMatch: p.ifNoneMatch, echo.HeaderXForwardedFor: p.forwarded,
	} {
		if values != nil {
			r.Header[name] = values
		}
	}
	w := &collectedAnswer{header: p.headerSoFar()}
	p.rebuilt = &contextWithInfo{p.api.echo.NewContext(r.WithContext(p.ctx), w), requestInfo{
		requestID: p.requestID, route: statusPath, credential: p.credential, caller: p.caller, began: p.began,
	}}
	return p.rebuilt
}

// refused counts the question, as it would have been without the parking.
func (p *parkedStatus) refused() (by string, err error) { return p.api.refusalBy(p.context())() }

// end answers as the handler and its middleware would have.
func (p *parkedStatus) end(stored payment.StoredView, err error, later func(func())) {
	if later != nil && err == nil {
		p.endQuickly(stored, later)
		return
	}
	c := p.context()
	err = recovered(func(c echo.Context) error {
		if err != nil {
			return err
		}
		return answerStatus(c, stored)
	}, c)
	_ = answerError(p.api.Logger, c, err) // the recorder accepts everything
	logRequest(p.api.Logger, p.api.Observer, c)
	w := c.Response().Writer.(*collectedAnswer)
	p.answer(c.Response().Status, w.header, w.body)
}

// endQuickly is end for one of many: work that can wait is done after all responses.
func (p *parkedStatus) endQuickly(stored payment.StoredView, later func(func())) {
	tag, status, header := etag(stored.Version), http.StatusOK, p.headerSoFar()
	header[headerETag] = []string{tag}
	if tagsMatch(p.ifNoneMatch, tag) {
		status, stored.View = http.StatusNotModified, nil
	} else {
		header[echo.HeaderContentType] = applicationJSON
	}
	p.answer(status, header, stored.View)
	took := time.Since(p.began) //nolint:forbidigo // it is measured, and decides nothing
	later(func() {
		c := p.context()
		c.Response().Status = status
		logAnswered(p.api.Logger, p.api.Observer, c, took)
	})
}

// headerSoFar is the header of the answer, as a map with room for ETag and Content-Type.
func (p *parkedStatus) headerSoFar() http.Header {
	header := make(http.Header, len(p.header)+2)
	for _, f := range p.header {
		header[f.name] = append(header[f.name], f.value)
	}
	return header
}

// collectedAnswer collects an answer.
type collectedAnswer struct {
	header http.Header
	body   []byte
}

// Header returns the header of the answer.
func (w *collectedAnswer) Header() http.Header { return w.header }

// WriteHeader does nothing: Echo keeps the status.
func (w *collectedAnswer) WriteHeader(int) {}

// Write collects the body.
func (w *collectedAnswer) Write(text []byte) (int, error) {
	if w.body == nil {
		w.body = slices.Clip(text) // no code changes a view
		return len(text), nil
	}
	w.body = append(w.body, text...)
	return len(text), nil
}
