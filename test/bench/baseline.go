package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

// serveBaseline serves a baseline program until the context ends.
func serveBaseline(ctx context.Context, kind string, args []string) error {
	client := redis.NewClient(&redis.Options{Addr: args[0]})
	defer client.Close()
	var handler http.Handler
	switch kind {
	case "status":
		handler = bareStatus(client)
	case "webhook-bare":
		handler = bareWebhook(client)
	case "webhook-construct":
		handler = constructWebhook(client)
	case "create":
		handler = bareCreate(args[1], args[2])
	case "wait":
		handler = bareWait()
	default:
		return fmt.Errorf("unknown baseline program: %s", kind)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: handler}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bareKey is the Redis key of Kasse's response, copied for the baseline program.
func bareKey(id string) string { return "bare:" + id }

// bareStatus is an Echo handler with one plain GET and no authentication.
func bareStatus(client *redis.Client) http.Handler {
	e := echo.New()
	e.GET("/v1/payments/:payment_intent", func(c echo.Context) error {
		view, err := client.Get(c.Request().Context(), bareKey(c.Param("payment_intent"))).Bytes()
		if err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, view)
	})
	return e
}
