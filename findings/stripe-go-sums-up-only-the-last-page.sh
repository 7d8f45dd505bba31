#!/bin/sh
# a list of stripe-go that is ranged over twice has only its last page the second time
#
# Guess (28 November, C 18): each loop over list.All(ctx) sees all items.
# Behaviour:  the first loop moves the list to its last page. Each later loop starts there, sends no
#             request, and ends without an error. The documentation of All says that it allows to
#             iterate over all items in the list. Search and the lists of API v2 do the same.
# Versions:   github.com/stripe/stripe-go/v85 v85.0.0.
# Matters:    a reconciliation that counts the payments first and adds them up then gets the sum of
#             the last page.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/stripe/stripe-go/v85"
)

const (
	firstPage = `{"object":"list","has_more":true,"next_page":"2","next_page_url":"%s?page=2","data":[
		{"id":"1","amount":1000},{"id":"2","amount":2000}]}`
	lastPage = `{"object":"list","has_more":false,"data":[{"id":"3","amount":4000}]}`
)

func main() {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.RawQuery, "starting_after=2") || strings.Contains(r.URL.RawQuery, "page=2") {
			fmt.Fprint(w, lastPage)
			return
		}
		fmt.Fprintf(w, firstPage, r.URL.Path)
	}))
	defer server.Close()
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(server.URL), LeveledLogger: &stripe.LeveledLogger{},
	})
	client := stripe.NewClient("sk_test_1", stripe.WithBackends(&stripe.Backends{API: backend}))
	ctx := context.Background()

	payments := client.V1PaymentIntents.List(ctx, &stripe.PaymentIntentListParams{})
	found := client.V1PaymentIntents.Search(ctx, &stripe.PaymentIntentSearchParams{
		SearchParams: stripe.SearchParams{Query: "status:'succeeded'"},
	})
	events := client.V2CoreEventDestinations.List(ctx, &stripe.V2CoreEventDestinationListParams{})
	for loop := 1; loop <= 2; loop++ {
		fmt.Printf("loop %d:\n", loop)
		total := int64(0)
		for payment, err := range payments.All(ctx) {
			if err != nil {
				panic(err)
			}
			total += payment.Amount
		}
		fmt.Printf("  list: sum %d\n", total)
		total = 0
		for payment, err := range found.All(ctx) {
			if err != nil {
				panic(err)
			}
			total += payment.Amount
		}
		fmt.Printf("  search: sum %d\n", total)
		count := 0
		for _, err := range events.All(ctx) {
			if err != nil {
				panic(err)
			}
			count++
		}
		fmt.Printf("  list of API v2: %d items\n  requests so far: %d\n", count, requests)
	}
}
END
go_modules github.com/stripe/stripe-go/v85@v85.0.0
./finding >seen
compare <<'END'
loop 1:
  list: sum 7000
  search: sum 7000
  list of API v2: 3 items
  requests so far: 6
loop 2:
  list: sum 4000
  search: sum 4000
  list of API v2: 1 items
  requests so far: 6
END
