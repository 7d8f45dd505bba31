package api

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// pathIDs are the shapes of the ids in paths, by the names of openapi.yaml.
var pathIDs = map[string]func(string) bool{
	"payment_intent": func(id string) bool { return payment.ID(id).Valid() },
	"order_id":       func(id string) bool { return payment.OrderID(id).Valid() },
}

// checkPathIDs validates the path's ids and unescapes them, which Echo does not do. A valid id then contains
// no slash or dot segment.
func checkPathIDs(c echo.Context) error {
	values := c.ParamValues()
	for i, name := range c.ParamNames() {
		if c.Request().URL.RawPath != "" {
			values[i], _ = url.PathUnescape(values[i]) // net/http has refused what is malformed
		}
		if !pathIDs[name](values[i]) {
			return badParameter(name, "is malformed")
		}
	}
	c.SetParamValues(values...)
	return nil
}

func badParameter(name, detail string) error {
	return &refusal{
		payment.CodeInvalidRequest, "A parameter is not valid.", []fieldError{{Parameter: name, Detail: detail}},
	}
}

// parameters are the query parameters that a route takes.
type parameters struct {
	names   []string
	ignored bool // the query string is not parsed
}

// checkQuery refuses unknown and duplicate parameters.
func checkQuery(c echo.Context, known parameters) error {
	if c.Request().URL.RawQuery == "" || known.ignored {
		return nil
	}
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return &refusal{code: payment.CodeInvalidRequest, detail: "The query string is malformed."}
	}
	var fieldErrors []fieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known.names, name) {
			fieldErrors = append(fieldErrors, fieldError{Parameter: name, Detail: "is unknown"})
		} else if len(query[name]) > 1 {
			fieldErrors = append(fieldErrors, fieldError{Parameter: name, Detail: "is given more than once"})
		}
	}
	if len(fieldErrors) > 0 {
		return &refusal{
			payment.CodeInvalidRequest, "The query has parameters that are unknown or given twice.", fieldErrors,
		}
	}
	return nil
}

// intParameter reads a query parameter that is a plain decimal number between two bounds.
func intParameter(c echo.Context, name string, low, high, absent int) (int, error) {
	if c.Request().URL.RawQuery == "" || !c.QueryParams().Has(name) {
		return absent, nil
	}
	text := c.QueryParam(name)
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text || n < low || n > high {
		return 0, badParameter(name, fmt.Sprintf("must be an integer from %d to %d", low, high))
	}
	return n, nil
}

var idempotencyKey = regexp.MustCompile(`^[!-~]{1,255}$`)

const headerIdempotencyKey = "Idempotency-Key"

// checkIdempotencyKey refuses a malformed Idempotency-Key; a good one is accepted everywhere, and needed for refunds.
func checkIdempotencyKey(h http.Header) error {
	keys := h.Values(headerIdempotencyKey)
	if len(keys) > 1 || (len(keys) == 1 && !idempotencyKey.MatchString(keys[0])) {
		fieldErrors := []fieldError{
			{Header: headerIdempotencyKey, Detail: "must be given once, with 1 to 255 printable ASCII characters"},
		}
		return &refusal{payment.CodeInvalidRequest, "A header is not valid.", fieldErrors}
	}
	return nil
}

// Most bytes of a body.
const (
	maxBody        = 64 << 10
	maxWebhookBody = 256 << 10
)

// readJSON returns a body whose media type is JSON. An empty body may have any media type.
func readJSON(c echo.Context) ([]byte, error) {
	h := c.Request().Header
	if h.Get(echo.HeaderContentEncoding) != "" {
		return nil, unsupported(echo.HeaderContentEncoding, "must be absent: encoded bodies are not accepted")
	}
	text, err := readBody(c, maxBody)
	switch {
	case err == nil && len(text) == 0:
		return []byte("{}"), nil
	case !isJSON(h.Values(echo.HeaderContentType)):
		return nil, unsupported(echo.HeaderContentType, "must be application/json, alone or with charset=utf-8")
	}
	return text, err
}

func unsupported(header, detail string) error {
	return &refusal{
		codeUnsupportedMediaType, "The body must be application/json.",
		[]fieldError{{Header: header, Detail: detail}},
	}
}

func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	if contentType[0] == echo.MIMEApplicationJSON {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(contentType[0])
	charset, given := params["charset"]
	return err == nil && mediaType == "application/json" &&
		(len(params) == 0 || (len(params) == 1 && given && strings.EqualFold(charset, "utf-8")))
}

// readBody reads the body up to the limit, in bytes. A body whose Content-Length is larger is
// refused before any of it is read.
func readBody(c echo.Context, limit int64) ([]byte, error) {
	tooLarge := &refusal{code: codeBodyTooLarge, detail: fmt.Sprintf("The body may have at most %d bytes.", limit)}
	if c.Request().ContentLength > limit {
		c.Response().Header().Set(echo.HeaderConnection, "close") // what follows would be read as the next request
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, c.Request().Body, limit))
	var cut *http.MaxBytesError
	switch {
	case errors.As(err, &cut):
		return nil, tooLarge
	case err != nil:
		return nil, &refusal{
			code: payment.CodeInvalidRequest, detail: "The request ended before the whole body was received.",
		}
	}
	return body, nil
}
