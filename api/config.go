package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	spec "kasse"
)

func (a *api) getConfig(c echo.Context) error {
	return answerJSON(c, http.StatusOK, struct {
		PublishableKey string `json:"publishable_key"`
		Livemode       bool   `json:"livemode"`
	}{a.PublishableKey, a.Livemode})
}

func getOpenAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", spec.OpenAPI)
}
