package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"
)

// bareCreate makes the two calls of a create in parallel, and nothing else.
func bareCreate(stripe, customer string) http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	post := func(c echo.Context, path string, form url.Values) error {
		request, err := http.NewRequestWithContext(
			c.Request().Context(), http.MethodPost, stripe+path, strings.NewReader(form.Encode()),
		)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer sk_test_bench")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %d", path, response.StatusCode)
		}
		return nil
	}
	e := echo.New()
	e.POST("/v1/payments", func(c echo.Context) error {
		var calls errgroup.Group
		calls.Go(func() error {
			return post(c, "/v1/payment_intents", url.Values{
				"amount": {"4200"}, "currency": {"eur"}, "customer": {customer},
				"automatic_payment_methods[enabled]": {"true"},
			})
		})
		calls.Go(func() error {
			return post(
				c, "/v1/customer_sessions",
				url.Values{"customer": {customer}, "components[payment_element][enabled]": {"true"}},
			)
		})
		if err := calls.Wait(); err != nil {
			return err
		}
		return c.NoContent(http.StatusCreated)
	})
	return e
}
