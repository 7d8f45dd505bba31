package kasse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is a response that refuses a request. Compare its Code with errors.Is. If the response came
// from a proxy and not from Kasse, Code is empty, and only Status and perhaps RequestID are set.
type Error struct {
	Problem
	// RetryAfter is the pause that the response asks for (header Retry-After); 0 without one.
	RetryAfter time.Duration
}

// Error returns the code, the status, the detail and the request id as one line.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf(
			"kasse: status %d, and the response is not from Kasse: check the base URL and the proxies", e.Status)
	}
	return fmt.Sprintf("kasse: %s (%d): %s [request %s]", string(e.Code), e.Status, e.Detail, e.RequestID)
}

// Is makes errors.Is(err, ProblemCodeOrderAlreadyPaid) compare codes.
func (e *Error) Is(target error) bool {
	code, isCode := target.(ProblemCode)
	return isCode && code == e.Code
}

// Error makes a code a valid target of errors.Is. No call returns a bare code.
func (c ProblemCode) Error() string { return "kasse: " + string(c) }

// worthRetrying reports whether the same request may succeed later.
func (e *Error) worthRetrying() bool {
	if e.Code != "" {
		return e.Retryable
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// refusal converts an unsuccessful response into an Error.
func refusal(r *http.Response, body []byte) *Error {
	refused := &Error{RetryAfter: retryAfter(r.Header)}
	if json.Unmarshal(body, &refused.Problem) != nil || refused.Code == "" {
		refused.Problem = Problem{}
	}
	refused.Status = r.StatusCode
	refused.RequestID = cmp.Or(refused.RequestID, r.Header.Get("X-Request-Id"))
	return refused
}

// retryAfter parses the header. Kasse sends seconds; a proxy may send a date, which is compared
// with the response's own Date header, so that the local clock does not matter.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(sent), 0)
}
