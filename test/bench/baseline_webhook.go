package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	"github.com/stripe/stripe-go/v79/webhook"
)

// baseline is a script that writes one payment, its view, its history and its queues: the Redis work of a webhook,
// without Kasse.
//
//go:embed baseline.lua
var baseline string

// The baseline programs write values of the same length as Kasse.
const (
	bareState = `{"created":1790000000,"event":{"at":1790000010,"event":"evt_3Bench0u31ny2requires_action",` +
		`"api":"2024-06-20","status":"requires_action","amount":4200,"currency":"eur","customer":"cus_Bench0",` +
		`"method":"automatic_async","metadata":{"kasse_service":"kasse","kasse_order_id":"order-0",` +
		`"kasse_attempt":"1","kasse_rev":"1790000000000"}},"standing":{"order":"order-0","attempt":1},` +
		`"livemode":false,"unlisted":true}`
	bareView = `{"payment_intent":"pi_3Bench000000000000001144","order_id":"order-1144","attempt":1,` +
		`"superseded":false,"status":"requires_payment_method","state":"pending","next":"pay","final":false,` +
		`"fulfillable":false,"fulfillable_at":null,"hold_reason":null,"amount":4200,"amount_received":0,` +
		`"amount_capturable":0,"amount_refunded":0,"currency":"eur","failure":null,"capture_before":null,` +
		`"livemode":false,"version":1795458873401,"created_at":"2026-09-21T14:13:20Z",` +
		`"updated_at":"2026-11-23T18:34:33Z","poll_after_ms":2000,"action":null,` +
		`"customer":"cus_Bench0","metadata":{},"dispute":null}`
	bareHistory = `{"version":1795458873401,"from":"pending","to":"action_required","at":"2026-11-23T18:34:33Z",` +
		`"cause":"payment_intent.requires_action evt_3Bench0u31ny2requires_action"}`
)

// bareWebhook is an Echo handler that checks the signature, reads the record with one HGETALL, and writes it
// with the baseline script.
func bareWebhook(client *redis.Client) http.Handler {
	script := redis.NewScript(baseline)
	e := echo.New()
	e.POST("/webhooks/stripe", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		if err := webhook.ValidatePayload(body, c.Request().Header.Get("Stripe-Signature"), hookSecret); err != nil {
			return err
		}
		var event struct {
			Data struct{ Object struct{ ID string } }
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return err
		}
		id := "pi_bare" + event.Data.Object.ID
		record, err := client.HGetAll(c.Request().Context(), partition(id)+"payment:"+id).Result()
		if err != nil {
			return err
		}
		if err := writeBare(c.Request().Context(), client, script, id, record["rev"]); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"outcome":"applied"}`))
	})
	return e
}

// constructWebhook uses stripe-go's ConstructEvent and a single EVALSHA of the baseline script on a new
// record.
func constructWebhook(client *redis.Client) http.Handler {
	script := redis.NewScript(baseline)
	e := echo.New()
	e.POST("/webhooks/stripe", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		event, err := webhook.ConstructEvent(body, c.Request().Header.Get("Stripe-Signature"), hookSecret)
		if err != nil {
			return err
		}
		if err := writeBare(c.Request().Context(), client, script, "pi_"+event.ID, ""); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"outcome":"applied"}`))
	})
	return e
}

// partition returns the payment's partition, of 16, as Kasse computes it.
func partition(id string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, id)
	return "kasse:{p" + strconv.Itoa(int(h.Sum32()%16)) + "}:"
}

func writeBare(ctx context.Context, client *redis.Client, script *redis.Script, id, revision string) error {
	part := partition(id)
	if revision == "" {
		revision = "0"
	}
	before, err := strconv.Atoi(revision)
	if err != nil {
		return err
	}
	now := time.Now()
	keys := []string{part + "payment:" + id, part + "events", part + "reads", part + "meta", part + "sweep"}
	oldest := strconv.FormatInt(now.Add(-720*time.Hour).UnixMilli(), 10) + "-0"
	err = script.Run(ctx, client, keys,
		before, before+1, id, bareState, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "", "",
		bareView, now.UnixMilli(), bareHistory, part+"changed", id+"."+strconv.Itoa(before+1), "order.action_required",
		oldest, "order-0", now.Add(2*time.Minute).UnixMilli(), "", "").Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
