package api

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
)

func answerJSON(c echo.Context, status int, body any) error {
	return answer(c, status, echo.MIMEApplicationJSON, body)
}

// answer writes a body as JSON. A repeated value of the caller may contain invalid UTF-8.
func answer(c echo.Context, status int, mediaType string, body any) error {
	text, err := json.Marshal(body, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return c.Blob(status, mediaType, text)
}
