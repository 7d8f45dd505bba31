package api

import (
	"crypto/sha256"
	"fmt"
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

// specETag is the ETag of openapi.yaml: a hash of it, so that all replicas of one version have the same.
var specETag = fmt.Sprintf(`"%x"`, sha256.Sum256(spec.OpenAPI))

// getOpenAPI sends the contract. It is the largest response without a credential, so it is limited per
// address, with the limit of refused credentials.
func (a *api) getOpenAPI(c echo.Context) error {
	if err := a.limit(c, a.counters.contract, a.proxies.client(c.Request()), takeHere); err != nil {
		return err
	}
	c.Response().Header()[headerETag] = []string{specETag}
	c.Response().Header()[echo.HeaderCacheControl] = publicNoCache
	if noneMatch(c.Request().Header, specETag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, "application/yaml", spec.OpenAPI)
}
