package kasse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that refuses a request. Code is empty where something between Kasse and the caller answered.
type Error struct {
	Problem
	RetryAfter time.Duration // the pause that the answer asks for; 0 where it asks for none
}

// Error names the code, the status, the reason and the request.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("kasse: status %d, not from Kasse", e.Status)
	}
	return fmt.Sprintf("kasse: %s (%d): %s [request %s]", string(e.Code), e.Status, e.Detail, e.RequestID)
}

// Is makes errors.Is(err, ProblemCodeOrderAlreadyPaid) compare codes.
func (e *Error) Is(target error) bool {
	code, isCode := target.(ProblemCode)
	return isCode && code == e.Code
}

// Error makes a code a target of errors.Is.
func (c ProblemCode) Error() string { return "kasse: " + string(c) }

// worthRetrying reports whether the same request may succeed later.
func (e *Error) worthRetrying() bool {
	if e.Code != "" {
		return e.Retryable
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// refusal makes an Error of an answer that is no success.
func refusal(r *http.Response, body []byte) *Error {
	refused := &Error{RetryAfter: retryAfter(r.Header)}
	if json.Unmarshal(body, &refused.Problem) != nil || refused.Code == "" {
		refused.Problem = Problem{}
	}
	refused.Status = r.StatusCode
	refused.RequestID = cmp.Or(refused.RequestID, r.Header.Get("X-Request-Id"))
	return refused
}

// retryAfter reads the header as seconds, as Kasse sends it, or as the date that a proxy may send. A date counts from the
// answer's own Date, so that the clock of this machine does not matter.
func retryAfter(h http.Header) time.Duration {
	asked := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(asked); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	until, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(sent), 0)
}
