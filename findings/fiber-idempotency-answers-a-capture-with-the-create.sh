#!/bin/sh
# fiber's idempotency middleware answers a capture with the stored response of the create
#
# Guess (28 November, 41 and 42): with one key for two paths both handlers run. A handler that has
#             answered 503 runs again at the repeat.
# Behaviour:  the middleware stores a response for the key alone, not for a method, path or body. Each
#             later request with the key gets that response for 30 minutes, without an error, and its
#             handler does not run. The middleware also stores a 503 that a handler writes. It does not
#             store one that a handler returns as an error.
# Versions:   github.com/gofiber/fiber/v3 v3.1.0.
# Matters:    a shop uses the id of its order as the key of the create and of the capture. It gets 201 for
#             the capture, and the money is never captured. After a short outage the order cannot be paid
#             for half an hour.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/idempotency"
)

const (
	order1 = "8a2a9a7e-52f0-4a37-8f3e-0c2a3d6f0001"
	order2 = "8a2a9a7e-52f0-4a37-8f3e-0c2a3d6f0002"
	order3 = "8a2a9a7e-52f0-4a37-8f3e-0c2a3d6f0003"
)

func main() {
	app := fiber.New()
	app.Use(idempotency.New())
	handle := func(path string, answer func(fiber.Ctx) error) {
		app.Post(path, func(c fiber.Ctx) error {
			fmt.Println("  the handler runs")
			return answer(c)
		})
	}
	handle("/payments", func(c fiber.Ctx) error { return c.Status(201).SendString("created") })
	handle("/payments/pi_1/capture", func(c fiber.Ctx) error { return c.SendString("captured") })
	handle("/written", func(c fiber.Ctx) error { return c.Status(503).SendString("Stripe does not answer") })
	handle("/returned", func(fiber.Ctx) error { return fiber.NewError(503, "Stripe does not answer") })
	post := func(path, key string) {
		fmt.Println("POST", path)
		request := httptest.NewRequest("POST", path, nil)
		request.Header.Set("X-Idempotency-Key", key)
		response, err := app.Test(request, fiber.TestConfig{})
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(response.Body)
		fmt.Printf("  %d %s\n", response.StatusCode, body)
	}
	post("/payments", order1)
	post("/payments/pi_1/capture", order1)
	for range 2 {
		post("/written", order2)
	}
	for range 2 {
		post("/returned", order3)
	}
}
END
go_modules github.com/gofiber/fiber/v3@v3.1.0
./finding >seen
compare <<'END'
POST /payments
  the handler runs
  201 created
POST /payments/pi_1/capture
  201 created
POST /written
  the handler runs
  503 Stripe does not answer
POST /written
  503 Stripe does not answer
POST /returned
  the handler runs
  503 Stripe does not answer
POST /returned
  the handler runs
  503 Stripe does not answer
END
